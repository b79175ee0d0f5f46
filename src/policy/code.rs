//! The closed table of what can be found in a policy file. `polyphony policy explain P0203` prints the text.

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $about:literal)+) => {
        /// Every code. A code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($name),+
        }

        impl Code {
            pub const ALL: &[Code] = &[$(Self::$name),+];

            /// `P0203`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }
            /// What it is about, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }
            /// Why it is so and what to do.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about),+ }
            }
        }
    };
}

codes! {
    // P01: the file.
    Syntax "P0101" "not TOML"
        "The file cannot be read as TOML (https://toml.io). Every place where reading stopped is listed; fix the first, because \
        those after it may follow from it. Texts stand in quotes, numbers and true/false do not."
    Unreadable "P0102" "the file cannot be read"
        "The file does not exist, may not be opened, is not UTF-8 text, or is longer than 256 KiB."
    Schema "P0103" "unknown format version"
        "`schema = 1` says which version of the format a file is written in. This server reads version 1."
    Extends "P0104" "nothing of that name to extend"
        "`extends` names what the file builds on: a preset (relevance-first, balanced, discovery), or another file in the same folder \
        by its name without `.toml`. Without `extends` a file builds on `balanced`."
    ExtendsChain "P0105" "extends itself, or too many files"
        "A file must not extend itself, directly or through others, and at most 8 files may build on each other."
    ExtendsBroken "P0106" "what it extends has errors"
        "The file named by `extends` has errors of its own. Check that file first."

    // P02: keys and values.
    Kind "P0201" "another kind of value is expected"
        "The key takes another kind of value: a text in quotes, a number, a list in brackets, or a section. `polyphony policy explain \
        KEY` says which."
    Missing "P0202" "a key is missing"
        "Every policy file says its `schema`, `id` and `version`; every constraint has the keys of its kind."
    UnknownKey "P0203" "unknown key"
        "The key is not a knob of a policy. A slip of the pen would otherwise do nothing, silently: so unknown keys are refused. \
        `polyphony policy explain` lists every key."
    Range "P0204" "out of range"
        "The value lies outside the key's range. `polyphony policy explain KEY` says the range and what is typical."
    Choice "P0205" "not one of the choices"
        "The key takes one of a few names. `polyphony policy explain KEY` lists them."
    Duration "P0206" "not a duration"
        "Durations are texts of a whole number and a unit: \"250ms\", \"90s\", \"5m\", \"36h\", \"14d\", or \"forever\"."
    Name "P0207" "a name with other characters"
        "An `id` is 1 to 64 of a-z, 0-9 and -. A surface's name is 1 to 64 of a-z, 0-9 and _."
    NotInSurface "P0208" "not for one surface alone"
        "The key holds for the whole file: it cannot differ between surfaces."

    // P03: what the values say together.
    Sum "P0301" "shares that do not sum to 1"
        "These weights are parts of one whole, so that turning one up means turning another down: they must sum to 1. In a file that \
        extends another, name every weight you mean: those you leave out keep their values."
    Sources "P0302" "readers without a profile would get nothing"
        "Trending, fresh and outside are the only sources for people nothing is known of. At least one of them must be above 0."
    Ends "P0303" "the low end is above the high end"
        "A range is written [low, high]."
    Once "P0304" "stands twice"
        "Each value may stand once in this list: the second entry would contradict or repeat the first."
    Count "P0305" "too many entries"
        "The list is longer than allowed. Long lists of rules make pages that nobody can predict."
    Constraint "P0306" "numbers of a constraint that do not fit"
        "A constraint counts within blocks or windows of positions: what it asks for must fit into them, and `top` must leave room for \
        one of them. docs/constraints.md has every kind with an example."
    Popularity "P0311" "popularity weighs much"
        "A high weight on popularity shows everybody what is already popular, which makes it more popular: the rich get richer and \
        new or small creators disappear. Up to 0.3 is typical."
    NoEffect "P0312" "has no effect"
        "The key is read only together with another one that is set otherwise: as it stands, changing it changes nothing."
    Nothing "P0313" "exploration that cannot happen"
        "Positions are reserved for exploration, but nothing can fill them: there is no candidate source `outside`, or the first \
        position for it lies past the page."
    Pool "P0314" "a pool smaller than what is asked of it"
        "Diversification chooses among `diversify.pool` candidates, and a feed ends after `feed.length` items or when its candidates \
        run out. Smaller than a few pages, there is little to choose from."
    Dial "P0315" "the policy's own diversity is out of people's range"
        "`diversify.diversity` lies outside `user_control.diversity_range`: whoever asks for exactly the policy's own value gets \
        another."

    // P04: constraints.
    Conflict "P0401" "constraints contradict each other"
        "No page whatever could keep both constraints. The one declared first would be kept and the other broken on every page; \
        docs/constraints.md says how constraints are counted."
    Infeasible "P0402" "the catalogue cannot keep a constraint"
        "Pages were made for sampled readers from the catalogue given, and the constraint had to give way on most of them: their \
        candidates do not have what it asks for, or not together with the constraints before it. Ask for less, gather more \
        (`retrieve.candidates`), or get more items of that kind into the catalogue."
    Strained "P0403" "the catalogue cannot always keep a constraint"
        "As P0402, but on some of the sampled pages only. That is what constraints are for; it is worth knowing."
    NoSuchValue "P0404" "no item has this value"
        "The constraint names a value that no item of the catalogue given has."
    Slow "P0405" "constraints that take long to keep"
        "Where constraints leave hardly a way to fill a page, looking for it takes long, and every reader waits. The times are those of \
        the machine that checks. Fewer or wider constraints are kept faster, and mostly better."

    // P05: guardrails.
    Guardrail "P0501" "a knob against a guardrail"
        "The knob alone would break a bound that the file itself sets under [guardrails]. Change one of the two."
    GuardrailMissed "P0502" "sampled pages break a guardrail"
        "Pages were made for sampled readers from the catalogue given, and on average they miss a bound under [guardrails]. The same \
        bounds stop a canary, so this policy would not get far."

    // P06: experiments.
    Arm "P0601" "an arm's policy cannot be used"
        "An arm names a policy: the file's own `id`, a preset, or another file in the same folder by its name without `.toml`. That \
        file must be sound and have the experiment's surfaces; what it says of experiments itself does not count."
    Arms "P0602" "arms that make no experiment"
        "An experiment compares two or more arms, each with a policy of its own; at least two of them need a weight above 0. The first \
        is the control that the others are compared with."
    Layer "P0603" "experiments that do not fit one layer"
        "Experiments of one layer share out its people between them, and nobody is in two. Each takes a `slice` of the layer's places \
        from 0 to 1, the holdout takes the end, and all count the same units: people (`user`) or visits (`session`)."
    Overlap "P0604" "two experiments on one surface"
        "A feed belongs to one experiment, or its outcome would be of two causes. Experiments that act on the same surface stand in \
        the same `layer`, with a `slice` of it each."
    Alike "P0605" "an experiment in which everybody gets the same"
        "The arms' policies do not differ on any of the experiment's surfaces: nobody is exposed to anything, and nothing is counted."
}

impl Code {
    /// Whether it is found only with a catalogue.
    pub const fn needs_catalogue(self) -> bool {
        matches!(self, Self::Infeasible | Self::Strained | Self::NoSuchValue | Self::Slow | Self::GuardrailMissed)
    }

    /// Reads `P0203`, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_read_back() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.as_str().to_lowercase()), Some(*code));
            assert!(code.about().ends_with('.') && !code.about().contains("  "), "{}", code.as_str());
        }
        assert_eq!(Code::parse("P9999"), None);
    }
}
