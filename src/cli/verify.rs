//! `polyphony verify`: recomputes a served feed from its record.

use std::process::ExitCode;

use clap::Args;

use super::{EXIT_USAGE, ground::Kept};
use crate::{
    domain::{FeedId, UserId, feed::Owner},
    feed::decision::Verified,
};

/// Recompute a feed that was served from its record: relevance from what each factor gave, every position from relevance
///
/// Against the catalogue as it is now: a difference means that the record was changed, or the catalogue, or that the reader
/// said something between its pages. Feeds are kept for their time to live and a day.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony verify fd_0192f0c1a7b27c3e8b7d6f5a4c3b2a19 --user ana --redis redis://127.0.0.1
  polyphony verify fd_0192f0c1a7b27c3e8b7d6f5a4c3b2a19 --data data

Exit status: 0 when all comes out as recorded, 1 when something differs, 2 when the feed cannot be read.")]
pub(super) struct Verify {
    /// The feed
    #[arg(value_name = "FEED_ID")]
    feed: String,
    /// Whose feed it is; without it a feed that belongs to nobody
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    #[command(flatten)]
    kept: Kept,
}

impl Verify {
    pub(super) fn run(self) -> ExitCode {
        match self.verified() {
            Ok(verified) => {
                print!("{}", told(&verified));
                ExitCode::from(u8::from(!verified.differences.is_empty()))
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(EXIT_USAGE)
            }
        }
    }

    fn verified(&self) -> anyhow::Result<Verified> {
        let user = self.user.as_deref().map(UserId::new).transpose().map_err(|error| anyhow::anyhow!("--user {error}"))?;
        let feed = FeedId::new(self.feed.as_str()).map_err(|error| anyhow::anyhow!("the feed id {error}"))?;
        let runtime = tokio::runtime::Runtime::new()?;
        let verified = runtime.block_on(async {
            let trial = self.kept.open().await?;
            let owner = user.map_or(Owner::Nobody, Owner::User);
            anyhow::Ok(trial.app.feed.verify(&[owner], &feed).await?)
        })?;
        verified.ok_or_else(|| anyhow::anyhow!("no feed {} of this person is kept, or not the policy that made it", self.feed))
    }
}

fn told(verified: &Verified) -> String {
    let Verified { candidates, positions, not_drawn_again, differences } = verified;
    let mut told = String::new();
    for difference in differences {
        told += &format!("{} {}: {} differs\n", difference.of, difference.index, difference.field);
    }
    let drawn = if *not_drawn_again > 0 { format!("; {not_drawn_again} draws by open rates of the time left out") } else { String::new() };
    told + &format!("{candidates} candidates and {positions} positions recomputed{drawn}: {} differences\n", differences.len())
}
