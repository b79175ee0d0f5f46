//! What law the operator is under, as far as the server acts on it, and what Global Privacy Control means there.

use serde::{Deserialize, Serialize};

use super::consent::Purpose;

/// What settings follow a law. Not legal advice: the operator states which one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pack {
    /// GDPR: the signal objects to profiling, "by automated means using technical specifications" (article 21(5)).
    #[default]
    Gdpr,
    /// CCPA: the signal opts out of sale and sharing (regulations, §7025(c)(1)).
    Ccpa,
    /// UK GDPR, article 21(5): as [`Self::Gdpr`].
    Uk,
    /// The most of all of them, and no setting may say less.
    Strict,
}

impl Pack {
    pub const fn gpc_scope(self) -> GpcScope {
        match self {
            Self::Ccpa => GpcScope::SaleShare,
            Self::Gdpr | Self::Uk | Self::Strict => GpcScope::AllProfiling,
        }
    }
}

/// Which rules a person is under by their age. Where the line lies is the operator's law.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeGroup {
    #[default]
    Adult,
    /// Nothing is inferred about them, no cap is lifted for them, nothing sponsored is shown, and their feed pauses and ends
    /// (ICO Children's Code, standard 12; Commission guidelines C(2025) 6826).
    Minor,
}

impl AgeGroup {
    pub const NAMES: [&'static str; 2] = ["adult", "minor"];

    /// As in the API.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "adult" => Some(Self::Adult),
            "minor" => Some(Self::Minor),
            _ => None,
        }
    }
}

/// What `Sec-GPC: 1` opts out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpcScope {
    /// Selling and sharing with others: the feed itself stays as it is.
    SaleShare,
    /// That, and every profile.
    AllProfiling,
}

impl GpcScope {
    /// What the signal refuses for a person, where nothing was expressly consented to.
    pub const fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::SaleShare => &[Purpose::SaleShare],
            Self::AllProfiling => &[Purpose::SaleShare, Purpose::ProfileCreate, Purpose::ProfileUse],
        }
    }
}
