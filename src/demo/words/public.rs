//! Topics of public life: science, politics, technology, world, economy, environment, education.

use super::TopicWords;

pub const SCIENCE: TopicWords = TopicWords {
    name: "science",
    civic: false,
    related: "technology",
    subtopics: "
        space | the lunar rover; a comet flyby; dark matter maps; the new orbital telescope; icy moons | Raumfahrt | l'exploration spatiale | la exploración espacial
        physics | quantum sensors; a fusion milestone; the neutrino puzzle; ultra-cold atoms; the muon anomaly | Quantenphysik | la physique quantique | la física cuántica
        biology | gene editing; deep-sea microbes; bird migration; the octopus brain; ancient DNA | Genforschung | la génétique | la genética
        archaeology | a Bronze Age village; lost trade routes; cave paintings; a sunken harbour; Roman glass | Archäologie | l'archéologie | la arqueología
        mathematics | prime number gaps; a folding paradox; the shape of randomness; an old knot problem; network theory | Mathematik | la recherche mathématique | la investigación matemática
        neuroscience | sleep and memory; our sense of time; the bilingual brain; pain signals; dreaming | Hirnforschung | la recherche sur le cerveau | la investigación del cerebro
        oceans | coral nurseries; deep-sea vents; whale songs; plankton blooms; the sea floor | Meeresforschung | la recherche océanique | la investigación marina
        chemistry | self-healing plastics; a cheaper catalyst; battery chemistry; invisible inks; carbon-eating minerals | Chemie | la chimie verte | la química verde
    ",
    titles: "
        What {s} can teach us about the next decade
        A team in {p} takes a fresh look at {s}
        {S}: the experiment nobody expected to work
        Five open questions about {s}
        Inside the {p} lab obsessed with {s}
        New data from {p} rewrite the story of {s}
        The quiet puzzle of {s}
        How volunteers in {p} changed the study of {s}
        {S}, explained without the equations
        The long road to understanding {s}
        After {n} years of waiting, first results on {s}
        A field guide to {s} for curious people
        What we really know about {s}
    ",
};

pub const POLITICS: TopicWords = TopicWords {
    name: "politics",
    civic: true,
    related: "economy",
    subtopics: "
        elections | early voting; the mayoral race; a snap election; first-time voters; ballot design | Wahlen | la campagne électorale | la campaña electoral
        parliament | the budget vote; committee reform; the coalition deal; question time; the opposition bench | Parlamentsreform | la réforme du parlement | la reforma del parlamento
        local-government | the city council shake-up; town hall meetings; parking fees; the new ring road; participatory budgets | Kommunalpolitik | la politique locale | la política local
        rights | privacy rules; the right to protest; the free-speech ruling; the equal pay law; citizenship tests | Bürgerrechte | la liberté d'expression | la libertad de expresión
        migration | asylum procedures; seasonal work visas; border staffing; integration courses; family reunification | Migration | la politique migratoire | la política migratoria
        justice | court backlogs; sentencing reform; jury duty; police oversight; legal aid | Justizreform | la réforme de la justice | la reforma judicial
        taxes | the property tax plan; a wealth levy; fuel duty; tax breaks for families; the sugar tax | Steuerpolitik | la réforme fiscale | la reforma fiscal
        housing | rent limits; social housing; short-term lets; zoning rules; the empty-homes tax | Wohnungspolitik | la politique du logement | la política de vivienda
    ",
    titles: "
        Lawmakers in {p} split over {s}
        {S}: what both sides get wrong
        The case for rethinking {s}
        The case against rushing {s}
        Why {s} could decide the next vote in {p}
        Inside the late-night talks on {s}
        Voters in {p} have their say on {s}
        Fact check: {n} claims about {s}
        How {s} became the issue of the season
        Who gains and who loses from {s}
        Opinion: {p} needs an honest debate about {s}
        A compromise on {s} takes shape in {p}
        {S} back on the agenda after {n} months
    ",
};

pub const TECHNOLOGY: TopicWords = TopicWords {
    name: "technology",
    civic: false,
    related: "science",
    subtopics: "
        ai | language models; image generators; AI tutors; model audits; on-device assistants | Künstliche Intelligenz | l'intelligence artificielle | la inteligencia artificial
        security | passkeys; ransomware drills; phone scam filters; bug bounties; supply-chain attacks | IT-Sicherheit | la cybersécurité | la ciberseguridad
        hardware | chip packaging; foldable screens; repairable laptops; quantum chips; e-ink displays | Chipindustrie | l'industrie des puces | la industria de los chips
        software | open-source funding; memory-safe languages; the command line; legacy code; small databases | Open Source | le logiciel libre | el software libre
        internet | community broadband; undersea cables; the small web; ad blockers; federated networks | Glasfaserausbau | le réseau internet | la red de fibra
        robotics | warehouse robots; surgical robots; robot lawnmowers; soft grippers; delivery drones | Robotik | la robotique | la robótica
        gaming | indie studios; cloud saves; speedrunning; retro consoles; cosy games | Videospielbranche | le jeu vidéo | el videojuego
        mobility-tech | robotaxis; battery swaps; e-bike batteries; smart traffic lights; charging networks | Elektromobilität | la voiture électrique | el coche eléctrico
    ",
    titles: "
        We tried {s} for a month
        {S}: hype, hope and what ships next
        The engineers in {p} betting on {s}
        What nobody tells you about {s}
        A beginner's guide to {s}
        The unexpected second act of {s}
        The people in {p} quietly fixing {s}
        {n} lessons from a year with {s}
        New rules for {s} arrive in {p}
        {S}, one small patch at a time
        The trouble with {s}
        The benchmarks are in: {s} put to the test
        Why your next upgrade may depend on {s}
    ",
};

pub const WORLD: TopicWords = TopicWords {
    name: "world",
    civic: true,
    related: "politics",
    subtopics: "
        europe | the rail corridor; border towns; the fisheries accord; regional languages; the enlargement debate | Europa | l'Europe | la Unión Europea
        asia | monsoon planning; megacity transit; the tea trade; island diplomacy; youth movements | Asien | l'Asie | el continente asiático
        africa | mobile banking; solar co-ops; the great green wall; new deep-water ports; music streaming | Afrika | l'Afrique | el continente africano
        americas | water treaties; the copper belt; river trade; language revival; coastal storms | Südamerika | l'Amérique latine | la región andina
        middle-east | desalination; water diplomacy; the date harvest; old city restoration; desert solar | Nahostpolitik | le Moyen-Orient | el Mediterráneo oriental
        diplomacy | the summit; peace talks; trade envoys; the climate pledge; visa deals | Diplomatie | la diplomatie | la diplomacia
        aid | relief convoys; cash aid; field hospitals; school rebuilding; food corridors | Entwicklungshilfe | l'aide humanitaire | la ayuda humanitaria
        global-cities | harbour renewal; metro lines; informal markets; flood walls; night economies | Stadtentwicklung | la ville mondiale | la ciudad global
    ",
    titles: "
        Envoys meet in {p} over {s}
        {S}: a view from {p}
        Why the world is watching {s}
        What {s} could mean for the region
        Dispatch from {p}: {s}
        The quiet politics of {s}
        {n} questions about {s}
        Neighbours seek common ground on {s}
        How {s} changed daily life in {p}
        The stakes behind {s}
        On the road with the people behind {s}
        {S} at a turning point
        {S}, in plain words
    ",
};

pub const ECONOMY: TopicWords = TopicWords {
    name: "economy",
    civic: true,
    related: "politics",
    subtopics: "
        inflation | grocery prices; energy bills; the cost of borrowing; rent inflation; wage growth | Inflation | l'inflation | la inflación
        jobs | the four-day week; apprenticeships; gig contracts; remote hiring; skills shortages | Arbeitsmarkt | le marché du travail | el mercado laboral
        trade | container shipping; export rules; port fees; steel tariffs; grain markets | Welthandel | le commerce mondial | el comercio mundial
        banking | digital cash; savings rates; mortgage approvals; small-bank mergers; payment fees | Bankenaufsicht | le secteur bancaire | el sector bancario
        startups | seed funding; founder burnout; university spin-offs; the hardware comeback; micro-brands | Start-up-Förderung | l'écosystème des start-up | el ecosistema emprendedor
        energy-markets | gas storage; power contracts; grid fees; offshore wind auctions; lithium supply | Energiemarkt | le marché de l'énergie | el mercado energético
        retail | the high-street revival; second-hand fashion; discount grocers; same-day delivery; loyalty cards | Einzelhandel | le commerce de détail | el comercio minorista
        agriculture | dairy prices; vertical farms; harvest insurance; fertiliser costs; olive oil yields | Landwirtschaft | l'agriculture | la agricultura
    ",
    titles: "
        {S}: {n} charts that explain the year
        What economists in {p} see in {s}
        Small firms in {p} rethink {s}
        The hidden cost of {s}
        Markets shrug off worries about {s}
        How {s} will shape your next pay slip
        The numbers behind {s}
        An experiment with {s} in {p}
        One number at a time: {s} and a cautious recovery
        Who pays for {s}?
        Central bankers talk {s} in {p}
        {S} and the middle of the wage scale
        Letter from {p}: {s} and the shop floor
    ",
};

pub const ENVIRONMENT: TopicWords = TopicWords {
    name: "environment",
    civic: true,
    related: "science",
    subtopics: "
        climate | heat records; carbon budgets; sea-level rise; climate lawsuits; methane leaks | Klimaschutz | le climat | el clima
        wildlife | urban foxes; the return of the lynx; bee corridors; beaver dams; wolf packs | Artenschutz | la vie sauvage | la fauna salvaje
        clean-energy | rooftop solar; tidal power; heat pumps; green hydrogen; community wind farms | Windkraft | l'énergie solaire | la energía solar
        water | river restoration; drought rules; rain gardens; groundwater; leaky pipes | Wasserversorgung | l'eau potable | el agua potable
        forests | old-growth forests; wildfire crews; tree planting; mangroves; forest schools | Waldumbau | la forêt | el bosque
        waste | reusable packaging; textile waste; food scraps; deposit schemes; e-waste | Müllvermeidung | le recyclage | el reciclaje
        green-cities | car-free streets; cool roofs; night buses; pocket parks; cycle lanes | Stadtgrün | la ville verte | la ciudad verde
        conservation | marine reserves; rewilding; seed banks; peat bogs; dark skies | Naturschutz | la protection de la nature | la conservación
    ",
    titles: "
        What {p} can teach us about {s}
        {S}: progress, setbacks and a plan
        Notes from a season of {s}
        Mapping {s}, street by street
        The price of ignoring {s}
        A year of {s} in pictures
        Scientists in {p} publish a plan for {s}
        How {p} changed its mind about {s}
        Farmers and ecologists find common ground on {s}
        {S} and the summer that changed {p}
        Behind the numbers on {s}
        {n} myths about {s}
        A walk through {p} with the people who study {s}
    ",
};

pub const EDUCATION: TopicWords = TopicWords {
    name: "education",
    civic: true,
    related: "culture",
    subtopics: "
        schools | smaller classes; phone-free schools; school gardens; later start times; outdoor lessons | Schulpolitik | l'école publique | la escuela pública
        universities | tuition fees; open lectures; student housing; exam reform; field trips | Hochschulpolitik | l'université | la universidad
        early-learning | forest kindergartens; reading aloud; play-based learning; nursery places; early maths | Kita-Ausbau | la maternelle | la educación infantil
        teachers | teacher shortages; lesson planning; teacher pay; mentoring; substitute teachers | Lehrkräftemangel | le métier d'enseignant | el oficio de enseñar
        skills | evening classes; coding for adults; trade schools; language exchange; study circles | Weiterbildung | la formation continue | la formación continua
        online-learning | open courses; peer grading; video lessons; learning apps; digital textbooks | Digitales Lernen | l'enseignement à distance | la enseñanza en línea
        inclusion | sign language; school libraries; dyslexia support; second-chance diplomas; accessible campuses | Inklusion | l'école inclusive | la escuela inclusiva
        research-policy | open access; research grants; peer review; doctoral pay; citizen science | Forschungsförderung | la recherche publique | la investigación pública
    ",
    titles: "
        What {p} learned from {s}
        {S}: the evidence so far
        Parents and teachers disagree about {s}
        A school in {p} rethinks {s}
        The promise and the limits of {s}
        Students speak out on {s}
        {n} ideas worth copying on {s}
        Making sense of {s}
        How to pay for {s}
        {S} put to the vote in {p}
        A teacher's diary: {s}
        The long argument over {s}
        Field report from {p}: {s}
    ",
};
