//! What a trainer shows of the samples that look wrong.

use super::Suspicion;
use crate::corpus::Corpus;
use serde::{Deserialize, Serialize};
use tributary_protocol::{ContributionId, Ppm};

/// Of so many samples one is named, so that a curator has a list to look through and not the data.
const ONE_OF: usize = 10;
/// Fewest and most samples that are named.
const NAMED: (usize, usize) = (5, 100);

/// The samples of a job that look most wrong.
///
/// They are known by their places in contributions. Neither text nor hash is in it, of which short texts could be guessed: whoever
/// may read a contribution finds them there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspects {
    /// Samples that were looked at: all that the job was trained on, or none.
    pub screened: u64,
    /// A tenth of them, but at least 5 if there are as many, and at most 100: the most suspicious first.
    pub suspects: Vec<Suspect>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspect {
    /// The contribution that holds it.
    pub contribution: ContributionId,
    /// Its place in the contribution's file, from 0.
    pub place: u32,
    /// [`Suspicion::score`], rounded down.
    pub score: Ppm,
}

impl Suspects {
    /// Of what [`screen`](crate::screen) found, the most suspicious first. Samples that `corpus` knows by their hashes only are
    /// not named.
    pub fn of(found: &[Suspicion], corpus: &Corpus) -> Self {
        let (least, most) = NAMED;
        let named = found.len().div_ceil(ONE_OF).clamp(least, most);
        let suspect = |Suspicion { sample, score, .. }: &Suspicion| {
            let contribution = corpus.parts().get(corpus.owner(sample).ok()?)?.contribution;
            let score = Ppm::new((score.clamp(0.0, 1.0) * 1e6) as u32)?;
            Some(Suspect { contribution, place: corpus.place(sample)?, score })
        };
        let suspects = found.iter().take(named).filter_map(suspect).collect();
        Self { screened: found.len() as u64, suspects }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::ContributionSamples;
    use tributary_protocol::sample::{CanonicalLine, Limits, ParsedSamples};

    fn lines(count: usize) -> Vec<CanonicalLine> {
        let line = |number: usize| format!("{{\"prompt\": \"{number}?\", \"completion\": \"{number}\"}}\n");
        let file: String = (0..count).map(line).collect();
        ParsedSamples::parse_skipping_duplicates(file.as_bytes(), &Limits::DEFAULT).unwrap().0.into_lines()
    }

    #[test]
    fn a_tenth_is_named_by_its_places() {
        let lines = lines(120);
        let (first, second) = lines.split_at(70);
        let corpus = Corpus::new([(7, first), (8, second)].map(|(number, lines)| ContributionSamples {
            contribution: ContributionId(number),
            contributor: [number as u8; 32],
            lines: lines.to_vec(),
        }));
        // From the last line to the first.
        let suspicion = |(place, line): (usize, &CanonicalLine)| Suspicion {
            place,
            sample: line.hash(),
            score: 1.0 - place as f64 / 120.0,
        };
        let found: Vec<Suspicion> = lines.iter().rev().enumerate().map(suspicion).collect();
        let counts = [0, 3, 30, 51, 120].map(|count| Suspects::of(&found[..count], &corpus).suspects.len());
        assert_eq!(counts, [0, 3, 5, 6, 12]);
        let Suspects { screened, suspects } = Suspects::of(&found, &corpus);
        assert_eq!(screened, 120);
        assert_eq!(suspects[0], Suspect { contribution: ContributionId(8), place: 49, score: Ppm::ONE });
        let last = Suspects::of(&found[118..], &corpus).suspects;
        assert_eq!(last.iter().map(|one| (one.contribution.0, one.place)).collect::<Vec<_>>(), [(7, 1), (7, 0)]);
        assert!(suspects.is_sorted_by(|a, b| a.score >= b.score));
        assert_eq!(Suspects::of(&found, &Corpus::of_hashes([])).suspects, []);
    }
}
