//! Keys and secrets: whether they are there, and whether others can read them.

use std::{os::unix::fs::PermissionsExt, path::Path};

use super::Findings;
use crate::settings::{Settings, secrets_in};

/// Permission bits that let others than the owner in.
const OTHERS: u32 = 0o077;

pub(super) fn look(settings: &Settings, file: Option<&Path>, insecure: bool, findings: &mut Findings) {
    exposure(settings, insecure, findings);
    if settings.privacy.master_keys.is_empty() {
        let detail = "privacy.master_keys is empty: the store makes the master key and keeps it beside what it wraps";
        findings.warn(
            "master key",
            detail,
            "POLYPHONY__PRIVACY__MASTER_KEYS=$(openssl rand -hex 32), kept where backups of the store are not",
        );
    } else {
        findings.ok("master key", format!("{} given", settings.privacy.master_keys.len()));
    }
    if let Some(file) = file.filter(|file| holds_secrets(file)) {
        readable_by_others("settings file", file, findings);
    }
    if settings.store.redis.url.is_empty() && settings.privacy.master_keys.is_empty() {
        let made = settings.store.embedded.path.with_file_name("master.key");
        if made.exists() {
            readable_by_others("key file", &made, findings);
        }
    }
}

fn exposure(settings: &Settings, insecure: bool, findings: &mut Findings) {
    let (servers, admins) = (settings.auth.server_keys.len(), settings.auth.admin_keys.len());
    if let Err(faults) = settings.check_exposure() {
        let fix = "POLYPHONY__AUTH__SERVER_KEYS=$(openssl rand -hex 32)";
        match insecure {
            true => findings.warn("keys", faults.to_string(), fix),
            false => findings.fault("keys", faults.to_string(), fix),
        }
    } else if servers == 0 && settings.auth.jwt_secret.is_empty() {
        let detail = "none: everybody on this machine may read and change every profile";
        findings.warn("keys", detail, "POLYPHONY__AUTH__SERVER_KEYS=$(openssl rand -hex 32), unless this is for trying only");
    } else if admins == 0 {
        findings.warn("keys", format!("{servers} server key(s), no admin key: nobody can use /v1/admin"), "POLYPHONY__AUTH__ADMIN_KEYS=…");
    } else {
        findings.ok("keys", format!("{servers} server key(s), {admins} admin key(s)"));
    }
}

fn holds_secrets(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| secrets_in(&text))
}

fn readable_by_others(check: &'static str, file: &Path, findings: &mut Findings) {
    let Ok(metadata) = std::fs::metadata(file) else { return };
    let mode = metadata.permissions().mode();
    let shown = file.display();
    if mode & OTHERS == 0 {
        findings.ok(check, format!("{shown}: only its owner can read it"));
    } else {
        let detail = format!("{shown} holds secrets and others on this machine may open it (mode {:03o})", mode & 0o777);
        findings.warn(check, detail, format!("chmod 600 {shown}"));
    }
}
