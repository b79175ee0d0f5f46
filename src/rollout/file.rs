//! The policy file of the settings, watched while the server runs: a changed file is activated, a bad one changes nothing.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::{By, Done, Order, Rollout, RolloutError, Stage, entry::Cause};
use crate::policy::{Findings, PolicySet, load_from, preset};

/// Most files of the folder that are looked at for changes: the file may extend any of them.
const MAX_LOOKED_AT_FILES: usize = 1_000;

/// What came of looking at the file.
#[derive(Debug)]
pub enum Reload {
    /// The settings name no file, or a preset.
    NoFile,
    /// It says what it said before.
    Unchanged,
    Applied(Done),
    /// The file has errors; the policy stays as it is.
    Invalid(Findings),
    /// The file is sound and cannot be activated now.
    Failed(RolloutError),
}

impl Reload {
    /// For metrics; a closed list.
    pub const fn result(&self) -> &'static str {
        match self {
            Self::NoFile | Self::Unchanged | Self::Applied(_) => "ok",
            Self::Invalid(_) => "invalid",
            Self::Failed(_) => "failed",
        }
    }
}

/// The policy file. One per server.
pub struct PolicyFile {
    /// `None`: the settings name no file.
    path: Option<PathBuf>,
    seen: Mutex<Seen>,
    /// Why what stands in the file is not served, if so.
    trouble: ArcSwapOption<&'static str>,
}

/// Name, time of the last change in s and ns, and length of every file that matters.
type Signature = Vec<(PathBuf, i64, i64, u64)>;

struct Seen {
    signature: Signature,
    /// Digest of the set that was last acted on.
    handled: String,
    /// Whether the start was acted on.
    is_begun: bool,
    /// The last look ended without the file's policy being served.
    is_pending: bool,
}

impl PolicyFile {
    /// `file`: `policies.file` of the settings; `base`: what was read from it.
    pub fn new(file: &str, base: &PolicySet) -> Self {
        let path = (!file.is_empty() && preset(file).is_none()).then(|| PathBuf::from(file));
        let signature = path.as_deref().map(signature).unwrap_or_default();
        let seen = Seen { signature, handled: base.digest.clone(), is_begun: false, is_pending: false };
        Self { path, seen: Mutex::new(seen), trouble: ArcSwapOption::empty() }
    }

    /// A word for why what stands in the file is not served; `None` when it is, or was rolled back.
    pub fn trouble(&self) -> Option<&'static str> {
        self.trouble.load().as_deref().copied()
    }

    /// Looks whether the file changed, and acts on it.
    pub async fn look(&self, rollout: &Rollout) -> Reload {
        let Some(path) = &self.path else { return Reload::NoFile };
        let mut seen = self.seen.lock().await;
        let looked_at = path.clone();
        let now = tokio::task::spawn_blocking(move || signature(&looked_at)).await.unwrap_or_default();
        if now == seen.signature && seen.is_begun && !seen.is_pending {
            return Reload::Unchanged;
        }
        seen.signature = now;
        self.act(path, &mut seen, rollout).await
    }

    /// Acts on the file, whether it changed or not.
    pub async fn reload(&self, rollout: &Rollout) -> Reload {
        let Some(path) = &self.path else { return Reload::NoFile };
        self.act(path, &mut *self.seen.lock().await, rollout).await
    }

    async fn act(&self, path: &Path, seen: &mut Seen, rollout: &Rollout) -> Reload {
        let reload = self.try_act(path, seen, rollout).await;
        let was = self.trouble();
        let trouble = match &reload {
            Reload::Invalid(_) => Some("invalid"),
            Reload::Failed(error) => Some(error.reason()),
            _ => None,
        };
        seen.is_pending = matches!(reload, Reload::Failed(_));
        self.trouble.store(trouble.map(Arc::new));
        let file = path.display();
        match &reload {
            Reload::Invalid(findings) => {
                tracing::error!(%file, %findings, "the policy file has errors; the policy stays as it is");
            }
            Reload::Failed(error) if was != trouble => {
                tracing::error!(%file, reason = error.reason(), %error, "the policy file cannot be activated yet; trying again");
            }
            _ if was.is_some() && trouble.is_none() => tracing::info!(%file, "the policy file is sound again"),
            _ => {}
        }
        reload
    }

    async fn try_act(&self, path: &Path, seen: &mut Seen, rollout: &Rollout) -> Reload {
        let name = path.display().to_string();
        let read = tokio::task::spawn_blocking(move || load_from(&name)).await;
        let set = match read {
            Ok(Ok(set)) => Arc::new(set),
            Ok(Err(findings)) => return Reload::Invalid(findings),
            Err(_) => return Reload::Invalid(Findings::default()),
        };
        if let Err(error) = rollout.follow().await {
            return Reload::Failed(error);
        }
        let state = rollout.state();
        // Before anything was activated the settings decide. Later, a file that the log knows is not news: it may have been
        // rolled back since.
        let is_first_look = !std::mem::replace(&mut seen.is_begun, true);
        let is_news = if is_first_look { !state.entries.is_empty() && !state.knows(&set.digest) } else { set.digest != seen.handled };
        if !is_news && !seen.is_pending {
            return Reload::Unchanged;
        }
        let reason = if is_first_look { "the server started with a new policy file" } else { "the policy file was changed" };
        let by = By { actor: "file".into(), reason: reason.into(), cause: Cause::File, expected: None };
        let order = Order { set: Arc::clone(&set), stage: Stage::All, by, preview: Vec::new(), skip: Vec::new() };
        match rollout.activate(&order).await {
            Ok(done) => {
                seen.handled.clone_from(&set.digest);
                Reload::Applied(done)
            }
            Err(error) => Reload::Failed(error),
        }
    }
}

/// What changes when the file does, or one it may extend: names, times and sizes of the folder's policy files.
fn signature(file: &Path) -> Signature {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let policies = beside.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).take(MAX_LOOKED_AT_FILES);
    let mut all: Vec<PathBuf> = policies.chain([file.to_owned()]).collect();
    all.sort();
    all.dedup();
    let facts = |path: PathBuf| {
        let metadata = std::fs::metadata(&path).ok()?;
        Some((path, metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
    };
    all.into_iter().filter_map(facts).collect()
}
