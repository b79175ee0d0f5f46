//! Receipts of decisions about consent, in the form of ISO/IEC TS 27560 with the terms of the W3C's Data Privacy Vocabulary.
//!
//! A receipt is made from the record in the person's log whenever it is asked for, and signed as a whole: who has it can show it
//! without the server.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::hex;
use crate::{
    app::App,
    consent::{GPC_NOTICE, GPC_TEXT},
    domain::{
        Pseudonym, Span,
        consent::{CONSENT_VALID, ConsentRecord, Decision, Purpose},
    },
    http::problem::Problem,
    settings::Consent,
    wire::time::render,
};

/// The standard whose fields these are.
const SCHEMA_VERSION: &str = "ISO/IEC TS 27560:2023";
/// Terms as IRIs, so that the document can be read as linked data.
const CONTEXT: [(&str, &str); 20] = [
    ("dct", "http://purl.org/dc/terms/"),
    ("dpv", "https://w3id.org/dpv#"),
    ("contact", "dpv:hasContact"),
    ("controller", "dpv:hasDataController"),
    ("data_categories", "dpv:hasPersonalData"),
    ("event", "dpv:hasConsentStatus"),
    ("jurisdiction", "dpv:hasJurisdiction"),
    ("language", "dct:language"),
    ("mechanism", "dpv:isIndicatedBy"),
    ("name", "dpv:hasName"),
    ("notice", "dpv:hasNotice"),
    ("purposes", "dpv:hasPurpose"),
    ("recipients", "dpv:hasRecipient"),
    ("record_id", "dct:identifier"),
    ("retention", "dpv:hasDuration"),
    ("schema_version", "dct:conformsTo"),
    ("state", "@type"),
    ("subject_pseudonym", "dpv:hasDataSubject"),
    ("time", "dpv:isIndicatedAtTime"),
    ("withdrawal_url", "dpv:hasConsentControl"),
];
const RECORD_ID_CONTEXT: &str = "polyphony 2026-11 consent record id";
const SUBJECT_CONTEXT: &str = "polyphony 2026-11 consent receipt subject";

/// One decision, to keep and to show: JSON-LD with the fields of ISO/IEC TS 27560.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentReceipt)]
pub struct ReceiptBody {
    #[serde(rename = "@context")]
    context: BTreeMap<&'static str, &'static str>,
    /// `dpv:ConsentReceipt`.
    #[serde(rename = "@type")]
    kind: &'static str,
    #[schema(examples("ISO/IEC TS 27560:2023"))]
    schema_version: &'static str,
    #[schema(examples("cr_5f0c9d3b7a1e4c2d8b6f0a9c3e5d7f1b"))]
    record_id: String,
    /// Names the person in receipts and nowhere else; nobody can tell whose it was once they are erased.
    subject_pseudonym: String,
    /// Who decides why and how the data is used. Absent where the operator has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    controller: Option<ControllerBody>,
    /// Whose law the controller is under: ISO 3166 code, or `EU`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("DE"))]
    jurisdiction: Option<String>,
    /// What was decided about; always one.
    purposes: Vec<&'static str>,
    notice: NoticeBody,
    event: EventBody,
    /// What the purpose needs of the person's data.
    data_categories: Vec<&'static str>,
    /// How long that is kept, as an ISO 8601 duration, counted from the person's last event.
    #[schema(examples("P400D"))]
    retention: String,
    /// Whom the server gives the data to: nobody.
    recipients: Vec<&'static str>,
    /// Where it is withdrawn: the operator's page, or the call.
    withdrawal_url: String,
    proof: ProofBody,
}

/// Who decides.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentController)]
pub struct ControllerBody {
    name: String,
    contact: String,
}

/// What the person was shown.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentNotice)]
pub struct NoticeBody {
    /// Its address, which changes with every word of it: `GET /v1/consent/notices/{version}`.
    version: String,
    /// BCP 47. Absent, as the hash, where the operator has taken the notice away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("en"))]
    language: Option<String>,
    /// Of the notice's text, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sha256: Option<String>,
    /// `form`: the consent form; `browser`: its setting for Global Privacy Control.
    surface: &'static str,
}

/// What was decided, when and how.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentEvent)]
pub struct EventBody {
    /// `given`, `refused` or `withdrawn`.
    r#type: &'static str,
    /// The same as a term: `dpv:ConsentGiven`, `dpv:ConsentRefused` or `dpv:ConsentWithdrawn`.
    state: &'static str,
    time: String,
    /// Absent for a decision that does not end by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    valid_until: Option<String>,
    /// `explicit`: the person chose; `signal`: the header `Sec-GPC` spoke for them.
    mechanism: &'static str,
}

/// Shows that the receipt is as the server made it.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentProof)]
pub struct ProofBody {
    /// `Ed25519`.
    r#type: &'static str,
    /// Over the record and the one before it in the person's log, in hex.
    record_signature: String,
    /// Over the receipt without this field: its JSON with sorted keys and no spaces (RFC 8785), in UTF-8. In hex.
    signature: String,
}

/// Makes the receipts of one person's log.
pub struct Receipts<'a> {
    app: &'a App,
    subject: String,
}

impl<'a> Receipts<'a> {
    pub fn new(app: &'a App, pseudonym: &Pseudonym) -> Self {
        // Not the journal's own, so that a receipt that is shown around tells nothing of it.
        let subject = blake3::derive_key(SUBJECT_CONTEXT, &pseudonym.0);
        Self { app, subject: format!("ps_{}", hex(&subject[..16])) }
    }

    /// The receipt of one record, signed.
    pub async fn of(&self, record: &ConsentRecord) -> Result<ReceiptBody, Problem> {
        let mut receipt = self.unsigned(record);
        let message = canonical(&receipt).map_err(|error| Problem::internal(format!("a receipt cannot be written: {error}")))?;
        receipt.proof.signature = hex(&self.app.consents.sign_document(message.as_bytes()).await?);
        Ok(receipt)
    }

    fn unsigned(&self, record: &ConsentRecord) -> ReceiptBody {
        let settings = &self.app.settings;
        let stated = |text: &String| (!text.is_empty()).then(|| text.clone());
        let Consent { controller, contact, jurisdiction, withdrawal_url, .. } = &settings.consent;
        let id = blake3::derive_key(RECORD_ID_CONTEXT, &record.signature);
        ReceiptBody {
            context: CONTEXT.into(),
            kind: "dpv:ConsentReceipt",
            schema_version: SCHEMA_VERSION,
            record_id: format!("cr_{}", hex(&id[..16])),
            subject_pseudonym: self.subject.clone(),
            controller: stated(controller).map(|name| ControllerBody { name, contact: contact.clone() }),
            jurisdiction: stated(jurisdiction),
            purposes: vec![record.purpose.name()],
            notice: self.notice(&record.notice),
            event: event(record),
            data_categories: categories(record.purpose).to_vec(),
            retention: duration(settings.store.profile_ttl),
            recipients: Vec::new(),
            withdrawal_url: stated(withdrawal_url).unwrap_or_else(|| "PUT /v1/me/consent".to_owned()),
            proof: ProofBody { r#type: "Ed25519", record_signature: hex(&record.signature), signature: String::new() },
        }
    }

    fn notice(&self, address: &str) -> NoticeBody {
        let by_signal = address == *GPC_NOTICE;
        let shown = self.app.notices.at(address).map(|notice| (notice.form.language.as_str(), notice.text.as_str()));
        let found = if by_signal { Some(("en", GPC_TEXT)) } else { shown };
        NoticeBody {
            version: address.to_owned(),
            language: found.map(|(language, _)| language.to_owned()),
            sha256: found.map(|(_, text)| hex(&Sha256::digest(text.as_bytes()))),
            surface: if by_signal { "browser" } else { "form" },
        }
    }
}

fn event(record: &ConsentRecord) -> EventBody {
    let state = match record.decision {
        Decision::Given => "dpv:ConsentGiven",
        Decision::Refused => "dpv:ConsentRefused",
        Decision::Withdrawn => "dpv:ConsentWithdrawn",
    };
    EventBody {
        r#type: record.decision.name(),
        state,
        time: render(record.at),
        valid_until: (record.decision == Decision::Given).then(|| render(record.at.plus(CONSENT_VALID))),
        mechanism: if record.notice == *GPC_NOTICE { "signal" } else { "explicit" },
    }
}

/// As `GET /v1/data-inventory` names them.
const fn categories(purpose: Purpose) -> &'static [&'static str] {
    match purpose {
        Purpose::ProfileCreate | Purpose::ProfileUse | Purpose::Research => &["interactions", "inferred interests", "preferences"],
        Purpose::Measure | Purpose::Improve => &["interactions", "served feeds"],
        Purpose::Dwell => &["how long items are looked at", "inferred interests"],
        Purpose::Sensitive
        | Purpose::SensitiveHealth
        | Purpose::SensitivePolitics
        | Purpose::SensitiveBelief
        | Purpose::SensitiveUnion
        | Purpose::SensitiveSexLife
        | Purpose::SensitiveOrigin => &["interactions with items of special categories", "inferred interests"],
        Purpose::Email | Purpose::Push => &["contact address", "inferred interests"],
        Purpose::SaleShare => &["interactions", "inferred interests"],
    }
}

fn duration(span: Span) -> String {
    format!("P{}D", span.as_millis() / Span::days(1).as_millis())
}

/// RFC 8785 for what receipts hold, texts and lists of them: sorted keys, no spaces. Without `proof`.
fn canonical(receipt: &ReceiptBody) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(receipt)?;
    if let Some(map) = value.as_object_mut() {
        map.remove("proof");
    }
    serde_json::to_string(&Sorted(&value))
}

/// Keys of every object in order, whatever order the map keeps.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => serializer.collect_map(map.iter().map(|(key, value)| (key, Sorted(value))).collect::<BTreeMap<_, _>>()),
            Value::Array(values) => serializer.collect_seq(values.iter().map(Sorted)),
            other => other.serialize(serializer),
        }
    }
}
