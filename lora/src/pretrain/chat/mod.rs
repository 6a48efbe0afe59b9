//! Short conversations in plain English.
//!
//! A conversation is a greeting, some topics and a farewell, each of which may be left out. What the user has told is
//! remembered and asked for later, so that the model learns to look back; what nobody told, and what a small model cannot
//! know, is answered with "I do not know". Questions come in many wordings, answers in few: so the model's small capacity
//! goes into understanding.

mod knowledge;
mod replies;
mod requests;
mod smalltalk;
mod told;
mod village;

use super::grammar::{say, typed};
use super::stories;
use crate::data::{Role, Turn};
use crate::random::Random;
pub(super) use told::KINDS;
use told::Told;
pub(super) use village::Village;

/// Most turns of one conversation, so that it fits the model's positions.
const TURNS_MAX: usize = 12;

/// A conversation that is being written.
struct Talk<'a> {
    random: &'a mut Random,
    village: &'a Village,
    turns: Vec<Turn>,
    /// What the user has said, to be asked for.
    told: Vec<Told>,
}

/// One conversation in the world of `village`.
pub(super) fn conversation(village: &Village, random: &mut Random) -> Vec<Turn> {
    let mut talk = Talk { random, village, turns: Vec::new(), told: Vec::new() };
    if talk.random.below(8) == 0 {
        talk.guided();
        return talk.turns;
    }
    let topics = [1, 1, 2, 2, 3, 3, 4, 5];
    let mut topics = talk.random.pick(&topics);
    if talk.random.below(5) < 2 {
        talk.greeting();
        talk.reply();
        topics -= usize::from(talk.random.below(4) == 0);
    }
    for _ in 0..topics {
        if talk.turns.len() + 2 <= TURNS_MAX {
            talk.topic();
            talk.reply();
        }
    }
    // What was told at the very end is asked for at once, half of the time: otherwise few would be asked for at all.
    if !talk.told.is_empty() && talk.turns.len() + 2 <= TURNS_MAX && talk.random.below(2) == 0 {
        talk.recall();
    }
    if talk.turns.is_empty() || (talk.random.below(5) == 0 && talk.turns.len() + 2 <= TURNS_MAX) {
        talk.farewell();
    }
    talk.turns
}

impl Talk<'_> {
    fn topic(&mut self) {
        match self.random.below(24) {
            0..4 => self.small_talk(),
            4..9 if self.told.is_empty() => self.tell(),
            4..6 => self.tell(),
            6..9 => self.recall(),
            9..14 => self.village_talk(),
            14..16 => self.reading(),
            16..20 => self.knowledge(),
            20..22 => self.request(),
            22 => self.unknown(),
            _ => self.untold(),
        }
    }

    /// The user says something and is answered; patterns as in [`say`] and [`typed`].
    fn exchange(&mut self, user: &str, assistant: &str, slots: &[(&str, &str)]) {
        let user = typed(user, slots, self.random);
        let assistant = say(assistant, slots, self.random);
        self.turns.push(Turn::new(Role::User, user));
        self.turns.push(Turn::new(Role::Assistant, assistant));
    }

    /// One of several pairs of what the user says and what is answered.
    fn one_of(&mut self, pairs: &[(&str, &str)], slots: &[(&str, &str)]) {
        let (user, assistant) = self.random.pick(pairs);
        self.exchange(user, assistant, slots);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_alternate_and_no_pattern_is_left() {
        let random = &mut Random::new(3, "test");
        let village = Village::of(3);
        for _ in 0..2000 {
            let turns = conversation(&village, random);
            let turns = if turns[0].role == Role::System { &turns[1..] } else { &turns[..] };
            assert!((2..=TURNS_MAX + 2).contains(&turns.len()), "{turns:?}");
            for (index, turn) in turns.iter().enumerate() {
                assert_eq!(turn.role, [Role::User, Role::Assistant][index % 2], "{turns:?}");
                assert!(!turn.text.trim().is_empty() && !turn.text.contains(['{', '}', '[', ']', '|']), "{turn:?}");
            }
        }
    }
}
