//! Topics of everyday life: sport, culture, food, health, travel.

use super::TopicWords;

pub const SPORT: TopicWords = TopicWords {
    name: "sport",
    civic: false,
    related: "health",
    subtopics: "
        football | the derby; a late equaliser; youth academies; the transfer window; away fans | Fußball | le football | el fútbol
        tennis | the clay-court season; a five-set final; wild-card entries; line-call technology; the junior tour | Tennis | le tennis | el tenis
        cycling | the mountain stage; sprint trains; gravel racing; the time trial; the cobbled classics | Radsport | le cyclisme | el ciclismo
        athletics | the marathon record; the relay squad; pole vault; trail running; the indoor season | Leichtathletik | l'athlétisme | el atletismo
        basketball | the play-off race; three-point shooting; a rookie guard; zone defence; streetball | Basketball | le basket | el baloncesto
        winter-sports | ski jumping; the biathlon relay; the downhill; speed skating; snow farming | Wintersport | le ski | el esquí
        swimming | open-water races; the medley relay; backstroke starts; new pool records; water polo | Schwimmsport | la natation | la natación
        women-in-sport | the women's league; equal prize money; the new captain; record crowds; grassroots coaching | Frauenfußball | le sport féminin | el deporte femenino
    ",
    titles: "
        {p} gets ready for {s}
        {S}: {n} talking points from the weekend
        How {s} turned the season around
        Ratings and reactions: {s} in {p}
        The tactics behind {s}
        A coach's view of {s}
        Long read: {s} and the soul of {p}
        What we learned from {s} this week
        A new angle on {s}
        From {p} to the podium: a story about {s}
        The numbers that define {s}
        Fans in {p} debate {s}
        Preview: {s} and a long weekend in {p}
    ",
};

pub const CULTURE: TopicWords = TopicWords {
    name: "culture",
    civic: false,
    related: "travel",
    subtopics: "
        film | festival shorts; slow cinema; restored classics; film scores; a debut thriller | Kino | le cinéma | el cine
        books | translated fiction; second-hand bookshops; the short story; graphic novels; book clubs | Literatur | la littérature | la literatura
        music | vinyl pressing; chamber pop; street choirs; jazz cellars; the summer festival | Musikszene | la musique | la música
        theatre | puppet theatre; community stages; the one-woman show; stage design; open-air plays | Theater | le théâtre | el teatro
        art | mural walks; textile art; a lost portrait; museum late nights; ceramic studios | Kunstszene | l'art contemporain | el arte contemporáneo
        television | the slow-burn drama; subtitled series; nature documentaries; quiz shows; a cult sitcom | Fernsehserien | la série télévisée | la serie de televisión
        design | chair design; book covers; wayfinding signs; small-flat living; type design | Design | le design | el diseño
        history | oral history; everyday history; old maps; family archives; industrial heritage | Stadtgeschichte | l'histoire | la historia
    ",
    titles: "
        In praise of {s}
        The unlikely revival of {s}
        A weekend in {p} for lovers of {s}
        {S}: where to start
        Critics' notebook: {s}, seen from {p}
        The artists giving {s} a second life
        Why {p} fell for {s}
        {n} ways into {s}
        A short history of {s}
        Notes from {p}: {s} after dark
        The quiet craft of {s}
        Conversations about {s}
        What {s} taught a generation
    ",
};

pub const FOOD: TopicWords = TopicWords {
    name: "food",
    civic: false,
    related: "health",
    subtopics: "
        baking | sourdough; rye bread; plum cake; laminated dough; flatbreads | Brot | le pain | el pan
        vegetarian | lentil stews; roast cauliflower; bean burgers; mushroom broth; tofu | Vegetarische Küche | la cuisine végétarienne | la cocina vegetariana
        street-food | dumplings; tacos; falafel; noodle soup; grilled corn | Streetfood | la cuisine de rue | la comida callejera
        restaurants | the tasting menu; lunch counters; open kitchens; tiny bistros; the chef's table | Gastronomie | la bistronomie | la alta cocina
        wine-and-coffee | natural wine; filter coffee; alpine reds; coffee roasting; alcohol-free cocktails | Kaffeekultur | le café | el café
        fermentation | kimchi; kombucha; pickled lemons; miso; homemade vinegar | Fermentieren | la fermentation | la fermentación
        seasonal | wild garlic; pumpkin season; asparagus; summer berries; winter greens | Saisonküche | la cuisine de saison | la cocina de temporada
        family-cooking | one-pot dinners; school-night pasta; Sunday roasts; freezer meals; packed lunches | Familienküche | le repas en famille | la comida en familia
    ",
    titles: "
        Where to find {s} in {p}
        {S}, the {p} way
        A love letter to {s}
        {n} rules for {s}
        {S} on a budget
        What a grandmother in {p} knows about {s}
        The secret life of {s}
        {S} without the fuss
        Kitchen notes: {s}
        How {p} rediscovered {s}
        A cook's guide to {s}
        Cooking with friends: {s}
        The debate over {s}, settled
    ",
};

pub const HEALTH: TopicWords = TopicWords {
    name: "health",
    civic: false,
    related: "food",
    subtopics: "
        nutrition | ultra-processed food; school lunches; fibre; sugar substitutes; plant protein | Ernährung | l'alimentation | la nutrición
        mental-health | burnout; social anxiety; grief support; screen breaks; peer counselling | Psychische Gesundheit | la santé mentale | la salud mental
        fitness | strength training; cold-water swimming; morning walks; stretching; running injuries | Bewegung | l'activité physique | el ejercicio
        medicine | antibiotic resistance; migraine drugs; the malaria vaccine; gene therapy; early blood tests | Arzneimittelforschung | la médecine | la medicina
        hospitals | emergency waiting times; night shifts; hospital food; nurse staffing; hospital care at home | Krankenhausreform | l'hôpital public | el hospital público
        sleep | power naps; shift-work sleep; blue light; snoring; teenage sleep | Schlafforschung | le sommeil | el sueño
        ageing | healthy ageing; dementia villages; balance training; hearing aids; care at home | Pflege | le vieillissement | el envejecimiento
        public-health | clean indoor air; heat plans; needle-free vaccines; tap water testing; tick season | Gesundheitsschutz | la prévention | la prevención
    ",
    titles: "
        {S}: what the evidence says
        A doctor in {p} answers {n} questions about {s}
        The surprising science of {s}
        What a clinic in {p} learned about {s}
        Myths about {s}, checked
        How to talk to your family about {s}
        Small steps, big effect: {s}
        Large trial sheds light on {s}
        Rethinking {s}: three stories from {p}
        Why {p} now takes {s} seriously
        {S} in numbers
        Ask the expert: {s}
        The {p} study on {s}, {n} years on
    ",
};

pub const TRAVEL: TopicWords = TopicWords {
    name: "travel",
    civic: false,
    related: "culture",
    subtopics: "
        rail | night trains; slow trains; branch lines; rail passes; station cafés | Bahnreisen | le voyage en train | el viaje en tren
        hiking | coast paths; hut-to-hut trails; ridge walks; pilgrim routes; winter hikes | Wandern | la randonnée | el senderismo
        city-breaks | rooftop views; canal walks; flea markets; museum Mondays; late-night trams | Städtereisen | l'escapade en ville | la escapada urbana
        islands | ferry hopping; lighthouse stays; volcanic beaches; off-season islands; tidal islands | Inselurlaub | la vie insulaire | la vida isleña
        budget-travel | hostel kitchens; free museums; house swaps; bus passes; the shoulder season | Rucksackreisen | le voyage à petit prix | el viaje barato
        family-travel | car-free holidays; farm stays; rainy-day plans; kids' rail clubs; camping with toddlers | Familienurlaub | le voyage en famille | el viaje en familia
        adventure | sea kayaking; bikepacking; glacier walks; desert camps; canyon swims | Radreisen | l'aventure à vélo | la aventura en bicicleta
        wellness-travel | thermal baths; forest bathing; silent retreats; seaside saunas; mountain spas | Thermalbäder | le tourisme thermal | el turismo termal
    ",
    titles: "
        {n} days in {p}: a plan built around {s}
        {S}: a guide for first-timers
        The joy of {s}
        Beyond the postcard: {s} near {p}
        How to enjoy {s} without a car
        What we packed for {s}
        The locals' case for {s} around {p}
        {S} worth the detour
        Going slow: {s} outside {p}
        An honest review of {s}
        The year {p} fell in love with {s}
        A map for lovers of {s}
        Letters from {p}: {s} in the rain
    ",
};
