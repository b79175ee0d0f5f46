//! The catalogue and people that a policy is tried on: the demo's, or those of a store. Read, never written.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};

use super::{demo, settings_of, store};
use crate::{
    app::App,
    clock::{Clock, SystemClock},
    follow,
    settings::{Layers, Override, SearchEngine, Settings},
};

/// Where catalogue and profiles come from.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("stored").args(["data", "redis"]).conflicts_with("server"))]
pub(super) struct Ground {
    /// On the built-in demo catalogue and its personas
    #[arg(long, conflicts_with_all = ["data", "redis", "server"])]
    demo: bool,
    #[command(flatten)]
    kept: Kept,
}

/// A store with what it keeps.
#[derive(Debug, Args)]
pub(super) struct Kept {
    /// On the store in this directory (of a server that is stopped: its file belongs to one process)
    #[arg(long, value_name = "DIR", conflicts_with = "redis")]
    data: Option<PathBuf>,
    /// On the store in this Redis
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Settings file: what is active, and where the store is
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A server's inside without the server: nothing listens, follows, journals or keeps.
pub(super) struct Trial {
    pub app: Arc<App>,
    /// "the demo catalogue", "the store at …".
    pub on: String,
    /// The demo's store, until it is dropped.
    _folder: Option<tempfile::TempDir>,
}

impl Ground {
    /// Whether a catalogue was named.
    pub fn is_named(&self) -> bool {
        self.demo || self.kept.is_named()
    }

    /// Whether that is a store, not the demo.
    pub fn is_stored(&self) -> bool {
        self.is_named() && !self.demo
    }

    /// The settings, which say what is active.
    pub fn settings(&self) -> Result<Settings, String> {
        self.kept.settings()
    }

    /// The named catalogue, loaded; the demo's where none is named.
    pub async fn open(&self) -> anyhow::Result<Trial> {
        if self.is_stored() { self.kept.open().await } else { on_demo(quiet(self.settings())?).await }
    }
}

impl Kept {
    fn is_named(&self) -> bool {
        self.data.is_some() || self.redis.is_some() || self.config.is_some()
    }

    fn settings(&self) -> Result<Settings, String> {
        let over = |flag: &str, key: &str, value: String| Override { flag: flag.to_owned(), key: key.to_owned(), value };
        let mut overrides = Vec::new();
        if let Some(data) = &self.data {
            overrides.push(over("--data", "store.embedded.path", data.join("polyphony.redb").to_string_lossy().into_owned()));
        }
        overrides.extend(self.redis.iter().map(|url| over("--redis", "store.redis.url", url.clone())));
        settings_of(&Layers::of_process(self.config.clone(), overrides))
    }

    /// The store with its catalogue loaded: where nothing is named, that of the settings.
    pub async fn open(&self) -> anyhow::Result<Trial> {
        let settings = quiet(self.settings())?;
        let embedded = settings.store.redis.url.is_empty();
        let path = settings.store.embedded.path.clone();
        if embedded && !path.is_file() {
            bail!("there is no store at {}: import a catalogue first (policies can be tried on the demo's: --demo)", path.display());
        }
        let on = if embedded { format!("the store at {}", path.display()) } else { "the store in Redis".to_owned() };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = store::open(&settings, Arc::clone(&clock))?;
        let app = Arc::new(App::new(settings, clock, store)?);
        follow::load(&*app.store, &app.feed.catalogue).await.context("the catalogue cannot be read")?;
        app.feed.catalogue.train();
        if app.feed.catalogue.snapshot().is_empty() {
            bail!("{on} has no items yet");
        }
        Ok(Trial { app, on, _folder: None })
    }
}

/// Nothing that is tried is journaled, or leaves this process.
fn quiet(settings: Result<Settings, String>) -> anyhow::Result<Settings> {
    let mut settings = settings.map_err(anyhow::Error::msg)?;
    settings.journal.enabled = false;
    settings.catalogue.search.engine = SearchEngine::InProcess;
    Ok(settings)
}

async fn on_demo(mut settings: Settings) -> anyhow::Result<Trial> {
    let folder = tempfile::tempdir().context("no temporary directory can be made")?;
    settings.store.embedded.path = folder.path().join("demo.redb");
    settings.store.redis.url = crate::settings::Secret::default();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = store::open(&settings, Arc::clone(&clock))?;
    let app = Arc::new(App::new(settings, clock, store)?);
    demo::fill(&app).await?;
    Ok(Trial { app, on: "the demo catalogue".to_owned(), _folder: Some(folder) })
}
