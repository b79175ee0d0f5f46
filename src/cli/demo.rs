//! `polyphony demo`: the server with the built-in catalogue and personas, ready in seconds, on loopback.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;

use super::{serve, settings_with};
use crate::{
    app::App,
    demo,
    domain::{Item, consent::Purpose},
    ingest::Outcome,
    settings::{self, Override},
};

/// Decides every invented title, name and reading habit.
const DEMO_SEED: u64 = 7;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Address and port to listen on; loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7720")]
    listen: SocketAddr,
    /// Keep the demo's data here; without it a temporary directory is used and removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Use this Redis instead of the embedded store
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Set any key of the settings, e.g. policy.diversify.diversity=0.5; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::key_value)]
    set: Vec<(String, String)>,
}

impl Demo {
    pub(super) fn run(self) -> ExitCode {
        if !self.listen.ip().is_loopback() {
            eprintln!("error: the demo has no keys and listens on loopback only; `--listen {}` is not loopback", self.listen);
            return ExitCode::from(super::EXIT_USAGE);
        }
        // Removed when it goes out of scope: nothing of the demo stays behind.
        let temporary = match tempfile::tempdir() {
            Ok(directory) => directory,
            Err(error) => {
                eprintln!("error: no temporary directory can be made: {error}; give one with --data DIR");
                return ExitCode::FAILURE;
            }
        };
        let directory = self.data.as_deref().unwrap_or(temporary.path());
        let settings = match settings_with(self.overrides(directory)) {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        serve::run_with(settings, |app| async move {
            fill(&app).await?;
            banner(&app);
            Ok(())
        })
    }

    fn overrides(&self, directory: &std::path::Path) -> Vec<Override> {
        let over = |flag: &str, key: &str, value: String| Override { flag: flag.to_owned(), key: key.to_owned(), value };
        let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let mut overrides = vec![
            over("--listen", "server.listen", self.listen.to_string()),
            over("--data", "store.embedded.path", path("polyphony.redb")),
            over("--data", "journal.path", path("journal")),
            over("demo", "telemetry.log_level", "warn".to_owned()),
        ];
        overrides.extend(self.redis.iter().map(|url| over("--redis", "store.redis.url", url.clone())));
        overrides.extend(self.set.iter().map(|(key, value)| over("--set", key, value.clone())));
        overrides
    }
}

/// Puts catalogue, personas and background in, through the same door as everybody.
pub(super) async fn fill(app: &App) -> anyhow::Result<()> {
    let now = app.now();
    let items: Vec<Item> = demo::catalogue(DEMO_SEED, now, app.dimension());
    let personas = demo::personas(DEMO_SEED, now, &items);
    let background = demo::background(DEMO_SEED, now, &items);
    app.ingest.put_items(items).await?;
    let decisions = BTreeMap::from([Purpose::ProfileCreate, Purpose::ProfileUse, Purpose::Dwell].map(|purpose| (purpose, true)));
    for persona in personas {
        // The personas consent as everybody does: without it nothing would be learned.
        app.consents.decide(&persona.user, &decisions, &app.notices.current(None).hash).await?;
        let outcomes = app.ingest.learn(&persona.events).await?;
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused(_))).count();
        if refused > 0 {
            tracing::warn!(refused, "demo events were refused");
        }
    }
    app.ingest.add_popularity(&background).await;
    Ok(())
}

/// What to try, ready to copy.
fn banner(app: &Arc<App>) {
    let address = app.settings.server.listen;
    let items = app.feed.catalogue.snapshot().len();
    let creators = demo::CREATORS;
    let version = crate::app::VERSION;
    let store = app.store.kind();
    let program = settings::program();
    println!(
        "polyphony {version} - demo: {items} items, 12 topics, {creators} creators, 6 personas (synthetic, built in); {store} store; nothing leaves this machine

  Feed       http://{address}/v1/feed?user=ana
  API docs   http://{address}/docs/
  Readiness  http://{address}/readyz?verbose
  Metrics    http://{address}/metrics

Personas: ana (politics), ben (sport), chloe (science and technology), dmitri (a bit of everything), emi (travel, several languages), farid (new here)

Try:
  # Ana reads politics. Relevance alone gives her more of it:
  curl -s 'http://{address}/v1/feed?user=ana&diversity=0&include=metrics' | {program} show
  # The same person, opened up:
  curl -s 'http://{address}/v1/feed?user=ana&diversity=0.6&include=metrics' | {program} show
  # Every number behind every position:
  curl -s 'http://{address}/v1/feed?user=ana&explain=full' | {program} show
  # Without a profile, for anybody:
  curl -s 'http://{address}/v1/feed?profile=off&include=metrics' | {program} show
  # Tell it something, then ask again (put an item id from a feed in place of ITEM):
  curl -s http://{address}/v1/events --json '{{\"user\":\"ana\",\"events\":[{{\"id\":\"ev_1\",\"type\":\"hide\",\"item\":\"ITEM\",\"scope\":\"creator\"}}]}}'

Stop with Ctrl-C."
    );
}
