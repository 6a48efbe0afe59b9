//! What the user answers when the model asks back, and how that goes on.

use super::{TURNS_MAX, Talk};
use crate::pretrain::lexicon::*;

/// The end of what the model asked, what the user says, what is answered.
const REPLIES: &[(&str, &[(&str, &str)])] = &[
    (
        "How can I help you?",
        &[
            (
                "[Nothing|I just want to talk|I only want to talk|No, thank you|I do not know][.|]",
                "Then let us talk. What did you do today?",
            ),
            (
                "[I have a question|Can I ask you something|May I ask something|I want to know something][.|]",
                "Yes, please ask me.",
            ),
            (
                "[Let us talk about|Tell me something about|I want to talk about|Can we talk about] {animal}s.",
                "I like {animal}s. Do you have a {animal}?",
            ),
        ],
    ),
    (
        "talk about?",
        &[
            (
                "[About |Let us talk about |I want to talk about |]{animal}s[.|, please.]",
                "I like {animal}s. Do you have a {animal}?",
            ),
            (
                "[About |Let us talk about |I want to talk about |][music|the sea|books|stories|the weather|food][.|, please.]",
                "Good. Tell me what you like about it.",
            ),
            (
                "[I do not know|You choose|Anything|Something nice|I don't know|What do you want to talk about][.|]",
                "Then let us talk about animals. My favourite animal is the otter.",
            ),
        ],
    ),
    (
        "What did you do today?",
        &[
            (
                "[I|Today I|Oh, I] [went to the market|worked|cooked {food}|read a book|slept|played the {instrument}|met {p}|walked in the {place}].",
                "That sounds like a good day.",
            ),
            ("[Nothing|Not much|Nothing much][.|]", "A quiet day can be good too."),
        ],
    ),
    (
        "Do you like it too?",
        &[
            ("[Yes|Yes, I do|Yes, very much|I do|Of course][.|!|]", "Then we like the same thing."),
            ("[No|No, I do not|Not really|Not much][.|]", "That is fine. Everybody likes something else."),
        ],
    ),
    (
        "What is new with you?",
        &[
            ("[Nothing|Not much|Nothing much][.|]", "A quiet day can be good too."),
            (
                "[I have a new {thing}|I got a {thing}|I bought a {thing}].",
                "How nice! I hope that you like your {thing}.",
            ),
        ],
    ),
    (
        "Do you like to be a {o}?",
        &[
            ("[Yes|Yes, I do|Yes, very much|I do|Yes, I like it][.|!|]", "I am glad to hear that."),
            ("[No|No, I do not|Not really|Not much][.|]", "I am sorry to hear that."),
        ],
    ),
    (
        "Do you have a {o}?",
        &[
            ("[Yes|Yes, I do|Yes, I have one|I do][.|!|]", "How nice! Is it big or small?"),
            ("[No|No, I do not|Not yet|No, but I want one][.|]", "Maybe you will have one some day."),
        ],
    ),
    (
        "Do you like the {o}?",
        &[
            ("[Yes|Yes, I do|Yes, very much|I do][.|!|]", "I am glad to hear that."),
            ("[No|No, I do not|Not really][.|]", "That is fine. Everybody likes something else."),
        ],
    ),
    (
        "What is the name of your {o}?",
        &[
            ("[It is called|Its name is|The name is|My {o} is called|It's|] {p}.", "{p} is a good name for a {o}."),
            ("[It has no name|It has no name yet|I do not know yet][.|]", "How about {p}?"),
        ],
    ),
    (
        "Is it big or small?",
        &[("[It is |Very |]big.", "A big one! How nice."), ("[It is |Very |]small.", "A small one! How nice.")],
    ),
    (
        "Shall I tell you a story?",
        &[
            ("[No|No, thank you|Not now][.|]", "That is fine. What would you like to do?"),
            ("[Yes|Yes, please|Please do|Sure|Of course|I would like that][.|!|]", "{story}"),
        ],
    ),
    (
        "Do you want to talk about it?",
        &[
            ("[Yes|Yes, please|Maybe][.|]", "Then tell me what happened."),
            ("[No|No, thank you|Not now|Not really][.|]", "That is all right. I am here if you want to talk."),
        ],
    ),
    (
        "Did you sleep well?",
        &[
            ("[Yes|Yes, I did|Yes, very well][.|]", "That is good."),
            ("[No|No, I did not|Not really|No, not at all][.|]", "I hope that you sleep better tonight."),
        ],
    ),
    (
        "What do you need?",
        &[
            ("[I need|I am looking for|I want] a {thing}.", "I am sorry, I have no {thing}. I can only talk."),
            ("[I need|I want] [a story|a good story].", "{story}"),
            ("[I need|I want] a [joke|friend].", "I can be your friend while we talk."),
        ],
    ),
    (
        "What can I do for you?",
        &[
            ("[Nothing|Nothing, thank you|Nothing, thanks][.|]", "All right. I am here if you need me."),
            ("[Tell me a story|A story, please|A story][.|]", "{story}"),
        ],
    ),
    (
        "Is there anything else that you would like to know?",
        &[
            ("[No|No, thank you|No, thanks|That is all|Nothing else][.|]", "All right. It was nice to talk with you."),
            ("[Yes|Yes, there is|Yes, one thing][.|]", "Then please ask me."),
        ],
    ),
    (
        "What happened?",
        &[(
            "[{p} took my {thing}|I lost my {thing}|My {thing} is broken|{p} was not kind to me|I fell down|It is a secret][.|]",
            "That is not nice. I hope that it gets better.",
        )],
    ),
    (
        "How about {o}?",
        &[
            ("[Yes|Good|Good idea|That is a good idea|Why not][.|!|]", "I am glad that you like the idea."),
            ("[No|No, thank you|I do not like {o}][.|]", "Then I have no better idea."),
        ],
    ),
    (
        "Where did you last see your {o}?",
        &[("[In the {place}|I think in the {place}|It was in the {place}][.|]", "Then look in the {place} again.")],
    ),
    (
        "Then tell me what happened.",
        &[(
            "[{p} took my {thing}|I lost my {thing}|My {thing} is broken|{p} was not kind to me|I miss {p}][.|]",
            "I am sorry to hear that. I hope that it gets better.",
        )],
    ),
];

impl Talk<'_> {
    /// Lets the user answer what the model asked last, most of the time.
    pub(super) fn reply(&mut self) {
        for _ in 0..2 {
            if self.turns.len() + 2 > TURNS_MAX || self.random.below(4) == 0 {
                return;
            }
            let said = self.turns.last().map(|turn| turn.text.clone()).unwrap_or_default();
            let found = REPLIES.iter().find_map(|(asked, replies)| Some((replies, asked_about(&said, asked)?)));
            let Some((replies, about)) = found else { return };
            let name = self.random.pick(PEOPLE);
            let story = super::stories::tale(name, self.random.pick(ANIMALS), self.random);
            let slots = [
                ("o", about.as_str()),
                ("story", story.as_str()),
                ("animal", self.random.pick(ANIMALS_PLAIN)),
                ("thing", self.random.pick(SMALL_THINGS)),
                ("food", self.random.pick(FOODS)),
                ("p", self.random.pick(PEOPLE)),
                ("place", self.random.pick(ROOMS)),
                ("instrument", self.random.pick(INSTRUMENTS)),
            ];
            self.one_of(replies, &slots);
        }
    }
}

/// What stands for `{o}` if `said` ends with the question `asked`; nothing, if it asks about nothing.
fn asked_about(said: &str, asked: &str) -> Option<String> {
    let Some((before, after)) = asked.split_once("{o}") else {
        return said.ends_with(asked).then(String::new);
    };
    let (_, rest) = said.rsplit_once(before)?;
    let about = rest.strip_suffix(after)?;
    (!about.contains(['.', '?', '!'])).then(|| about.trim_start_matches("a ").trim_start_matches("an ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_recognised_by_their_end() {
        assert_eq!(
            asked_about("How nice! What is the name of your duck?", "What is the name of your {o}?"),
            Some("duck".into())
        );
        assert_eq!(asked_about("I am fine. How are you?", "How are you?"), Some(String::new()));
        assert_eq!(asked_about("How are you? Fine.", "How are you?"), None);
    }
}
