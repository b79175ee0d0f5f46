//! Who makes the demo catalogue: sources with a leaning and a language, creators with a home topic.

use std::{collections::HashSet, sync::Arc};

use super::{
    draw::Draw,
    words::{Language, TOPICS, lines},
};
use crate::domain::{Creator, FacetValue};

/// Creators in the demo catalogue.
pub const CREATORS: usize = 240;

/// Sources in the demo catalogue.
pub const SOURCES: usize = 40;

/// `name | language | leaning`.
const SOURCE_TABLE: &str = "
    Harbour Post | en | center
    Northern Ledger | en | right
    The Common Room | en | left
    Civic Current | en | left
    Morning Meridian | en | center
    The Plain Speaker | en | right
    Riverside Tribune | en | right
    The Open Page | en | left
    Daily Waypoint | en | center
    Beacon Weekly | en | left
    Old Mill Gazette | en | right
    Signal & Field | en | center
    Lantern Review | en | left
    Kingsgate Herald | en | right
    The Quarter Hour | en | center
    Fieldnotes | en | center
    Tidewater Courier | en | right
    Parallel Press | en | left
    Westbridge Observer | en | center
    The Long Table | en | left
    Kestrel Daily | en | center
    Touchstone Weekly | en | right
    Carriage House Review | en | left
    Benchmark Notes | en | center
    Uplands Daily | en | right
    Second Glance | en | left
    Nordlicht Zeitung | de | center
    Der Marktplatz | de | right
    Stadtfluss Magazin | de | left
    Alpenkurier | de | right
    Blickwinkel Heute | de | left
    Werkstatt Wissen | de | center
    Le Courrier des Rives | fr | right
    La Place Ouverte | fr | left
    Les Heures Claires | fr | center
    Le Petit Phare | fr | center
    El Faro Diario | es | center
    La Plaza Vieja | es | right
    Voces del Río | es | left
    Cuaderno Abierto | es | center
";

const FIRST_NAMES: [&[&str]; 4] = [
    &[
        "Maya", "Tom", "Priya", "Jonas", "Aisha", "Ruth", "Owen", "Mei", "Kofi", "Elena", "Sam", "Noor", "Callum", "Ingrid", "Leo",
        "Zadie", "Hugo", "Tamsin", "Ravi", "Freya", "Marcus", "Yuki", "Dara", "Nell", "Idris", "Wren",
    ],
    &["Lena", "Jakob", "Miriam", "Felix", "Greta", "Emre", "Clara", "Anton", "Nele", "Matthias"],
    &["Camille", "Lucien", "Amina", "Théo", "Margaux", "Bastien", "Inès", "Rémi", "Solène", "Gaspard"],
    &["Lucía", "Mateo", "Inés", "Joaquín", "Paloma", "Andrés", "Marisol", "Tomás", "Alba", "Rafael"],
];
const LAST_NAMES: [&[&str]; 4] = [
    &[
        "Okafor",
        "Lindqvist",
        "Banerjee",
        "Whitlock",
        "Achterberg",
        "Moreau",
        "Tanaka",
        "Brennan",
        "Castellan",
        "Hale",
        "Novak",
        "Mensah",
        "Ferreira",
        "Ashdown",
        "Varga",
        "Kowalski",
        "Quill",
        "Haddad",
        "Sorensen",
        "Petrov",
        "Lowe",
        "Iwasaki",
        "Drummond",
    ],
    &["Baumgart", "Vogt", "Seidel", "Yilmaz", "Krämer", "Hartwig", "Lindner", "Aschoff", "Reuter"],
    &["Delmas", "Fournier", "Benali", "Roche", "Vasseur", "Marchand", "Lemaire", "Garnier", "Chauvet"],
    &["Ibáñez", "Quiroga", "Salvatierra", "Montes", "Arriaga", "Velasco", "Cordero", "Lozano", "Peralta"],
];

/// Where items appear.
pub struct Source {
    pub name: FacetValue,
    pub language: Language,
    /// `left`, `center` or `right`.
    pub leaning: &'static str,
}

/// One who makes items.
pub struct Maker {
    pub creator: Creator,
    /// Index into [`TOPICS`].
    pub main: usize,
    /// A second home topic, for some.
    pub second: Option<usize>,
    /// Index into the sources.
    pub source: usize,
}

pub fn sources() -> Vec<Source> {
    lines(SOURCE_TABLE)
        .map(|line| {
            let mut cells = line.split('|').map(str::trim);
            let name = cells.next().unwrap_or_default();
            let tag = cells.next().unwrap_or_default();
            let language = Language::ALL.into_iter().find(|l| l.tag() == tag).unwrap_or(Language::English);
            Source { name: Arc::from(name), language, leaning: cells.next().unwrap_or_default() }
        })
        .collect()
}

/// The creators, the most prolific first; topics are dealt out in turn so that each has large and small ones.
pub fn makers(seed: u64, sources: &[Source]) -> Vec<Maker> {
    let mut draw = Draw::new(seed, "makers");
    let mut names = HashSet::new();
    (0..CREATORS)
        .map(|n| {
            // Seven of ten write English.
            let language = [0, 0, 0, 0, 0, 0, 0, 1, 2, 3][draw.below(10)];
            let main = n % TOPICS.len();
            // Sides are dealt out in turn too: no topic is left to one of them.
            let leaning = ["left", "right", "center"][n / TOPICS.len() % 3];
            let fits = |source: &Source| source.language == Language::ALL[language] && source.leaning == leaning;
            let home: Vec<usize> = (0..sources.len()).filter(|s| fits(&sources[*s])).collect();
            let second = draw.chance(0.45).then(|| draw.below(TOPICS.len())).filter(|topic| *topic != main);
            let name = new_name(&mut draw, language, &mut names);
            Maker { creator: Creator { id: format!("crt_{:03}", n + 1).into(), name: Some(name) }, main, second, source: *draw.pick(&home) }
        })
        .collect()
}

fn new_name(draw: &mut Draw, language: usize, taken: &mut HashSet<String>) -> String {
    let (first_names, last_names) = (FIRST_NAMES[language], LAST_NAMES[language]);
    let start = draw.below(first_names.len() * last_names.len());
    // Walks on from the drawn pair until one is free: no two creators share a name.
    for step in 0..first_names.len() * last_names.len() {
        let pair = (start + step) % (first_names.len() * last_names.len());
        let name = format!("{} {}", first_names[pair % first_names.len()], last_names[pair / first_names.len()]);
        if taken.insert(name.clone()) {
            return name;
        }
    }
    format!("{} {}", first_names[0], taken.len())
}
