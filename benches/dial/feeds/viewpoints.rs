//! Article-Bias-Prediction: news articles labelled left, center or right; readers of one viewpoint and two topics.

use std::collections::BTreeMap;

use polyphony::{
    domain::{ItemId, Span, Time},
    import::{Mapping, Source},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{World, data, readers};

const SEED: u64 = 7;
/// After the last article.
const NOW: Time = Time::from_secs(1_609_459_200);
const MAP: [&str; 7] =
    ["id=ID", "topics=topic", "creator=authors", "viewpoint=bias_text", "published_at=date", "description=excerpt", "source=source"];
/// Opened of each topic, and liked besides of each topic.
const OPENED: usize = 10;

/// `None`, with the reason printed, when the data is not there.
pub fn world(feeds: usize) -> Option<World> {
    let folder = tempfile::tempdir().expect("a folder");
    data::unpack("abp-viewpoints.tar.gz", folder.path())?;
    let mapping = Mapping::new(MAP).expect("a mapping");
    let source = Source::Jsonl { path: folder.path().join("abp-viewpoints/catalogue.jsonl"), mapping };
    let set = data::catalogue(source, data::path("embeddings/abp-viewpoints.f16.bin")?);
    // Viewpoint → topic → articles, of the groups that are large enough.
    let mut groups: BTreeMap<&str, BTreeMap<&str, Vec<&ItemId>>> = BTreeMap::new();
    for item in &set.items {
        if let (Some(viewpoint), Some((topic, _))) = (&item.viewpoint, item.topics.first()) {
            groups.entry(viewpoint).or_default().entry(topic).or_default().push(&item.id);
        }
    }
    groups.values_mut().for_each(|topics| topics.retain(|_, articles| articles.len() >= 4 * OPENED));
    let groups: Vec<Vec<Vec<&ItemId>>> = groups.into_values().map(|topics| topics.into_values().collect()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let readers: Vec<readers::Reader> = (0..feeds).map(|n| reader(n, &groups[n % groups.len()], &mut rng)).collect();
    Some(readers::world(set.items, &readers, &[], NOW, feeds))
}

/// Has opened [`OPENED`] articles of each of two topics in the last days, and likes as many others.
fn reader(number: usize, topics: &[Vec<&ItemId>], rng: &mut ChaCha8Rng) -> readers::Reader {
    let user = format!("reader-{number}");
    let mut which: Vec<usize> = (0..topics.len()).collect();
    which.shuffle(rng);
    let mut reader = readers::Reader { events: Vec::new(), liked: Vec::new() };
    for topic in &which[..2] {
        let mut articles = topics[*topic].clone();
        articles.shuffle(rng);
        for (n, article) in articles.iter().take(2 * OPENED).enumerate() {
            match n < OPENED {
                true => reader.events.push(readers::open(&user, article, NOW.minus(Span::hours(20 - n as i64)))),
                false => reader.liked.push((*article).clone()),
            }
        }
    }
    reader
}
