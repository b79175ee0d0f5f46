//! What titles and descriptions share across topics: places, and the sentences of the other languages.

/// German titles for every topic.
pub const TITLES_DE: &str = "
    {S}: Was sich in {p} jetzt ändert
    {S} verstehen: die wichtigsten Fragen
    Warum {p} neu über {s} nachdenkt
    {S}: {n} Ideen aus {p}
    Streit um {s} in {p}
    {S} im Faktencheck
    Reportage aus {p}: {s} im Alltag
    {S}: ein Blick hinter die Kulissen
    Was Fachleute jetzt zu {s} sagen
    {S} in {p}: eine Bilanz
    Neue Wege: {s} in {p}
";

/// French titles for every topic.
pub const TITLES_FR: &str = "
    {S} : ce qui change à {p}
    Comprendre {s} en {n} questions
    Pourquoi {s} fait débat à {p}
    À {p}, {s} change de visage
    {S}, entre espoir et doutes
    Reportage à {p} : {s} au quotidien
    Ce que {s} nous apprend
    {n} idées reçues sur {s}
    Où va {s} ?
    {S} : le pari de {p}
    {p} mise sur {s}
";

/// Spanish titles for every topic.
pub const TITLES_ES: &str = "
    {S}: lo que cambia en {p}
    Entender {s} en {n} preguntas
    Por qué {s} divide a {p}
    {S}, entre la esperanza y la duda
    Crónica desde {p}: {s} en el día a día
    Lo que {s} nos enseña
    {n} mitos sobre {s}
    ¿Hacia dónde va {s}?
    {S}: la apuesta de {p}
    {p} apuesta por {s}
    Así cambia {s} en {p}
";

/// Descriptions by language, in the order of [`super::Language::ALL`]. `{c}` is the creator's name.
pub const DESCRIPTIONS: [&str; 4] = [
    "
    From {p}, a closer look at {s} and at what comes next.
    {c} reports on {s}: what has changed, and what has not.
    Three voices from {p} on {s}, and one surprising point of agreement.
    We spent a week in {p} to find out what is really happening with {s}.
    The short version of a long story about {s}, with sources at the end.
    Why {s} came up at every table in {p} this month.
    An interview about {s}, recorded in {p} and lightly edited.
    What the numbers say about {s}, and where they stay silent.
    {c} goes back to {p} to ask what became of {s}.
    A plain-language guide to {s}, updated this week.
    Readers asked about {s}; here are the answers we could find.
    The background, the arguments and the open questions around {s}.
    ",
    "
    {c} berichtet aus {p} über {s}.
    Hintergründe, Zahlen und Stimmen zum Thema {s}.
    Die wichtigsten Fakten zu {s}, kurz erklärt.
    Was Menschen in {p} über {s} denken.
    ",
    "
    {c} fait le point depuis {p} : {s}, chiffres et témoignages.
    Les faits, les chiffres et les voix pour comprendre {s}.
    Un tour d'horizon en quelques minutes : {s}.
    À {p}, nos lecteurs posent leurs questions sur {s}.
    ",
    "
    {c} informa desde {p}: {s}, cifras y testimonios.
    Los hechos, las cifras y las voces para entender {s}.
    Un repaso en pocos minutos: {s}.
    En {p}, los lectores preguntan sobre {s}.
    ",
];

/// Places by language, in the order of [`super::Language::ALL`].
pub const PLACES: [&[&str]; 4] = [
    &[
        "Lisbon",
        "Oslo",
        "Nairobi",
        "Toronto",
        "Bristol",
        "Melbourne",
        "Dublin",
        "Tallinn",
        "Osaka",
        "Valparaíso",
        "Cape Town",
        "Ljubljana",
        "Halifax",
        "Ghent",
        "Busan",
        "Accra",
        "Porto",
        "Wellington",
        "Gdańsk",
        "Leeds",
        "Montevideo",
        "Aarhus",
        "Pune",
        "Galway",
    ],
    &["Leipzig", "Graz", "Basel", "Bremen", "Freiburg", "Linz", "Rostock", "Kassel", "Bern", "Jena", "Konstanz", "Potsdam"],
    &["Nantes", "Lyon", "Namur", "Grenoble", "Lausanne", "Rennes", "Liège", "Annecy", "Québec", "Dijon", "Brest", "Tours"],
    &["Sevilla", "Rosario", "Oaxaca", "Bilbao", "Cuenca", "Granada", "Mendoza", "Salamanca", "Medellín", "Vigo", "Cádiz", "Arequipa"],
];
