//! Choice of experts, their weights, and the sum of what they compute.

use super::math::{dot, exp_shifted, sigmoid};
use super::{composed, elements, is_native, is_tracked, with_elements, with_values};
use crate::config::{Experts, Groups, Routing, Scores};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// Which experts compute which positions.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Experts of a position.
    pub(super) chosen: usize,
    /// The experts of each position, ascending: `[positions, chosen]`.
    pub(super) experts: Vec<usize>,
    /// The positions of each expert, ascending.
    positions: Vec<Arc<Vec<u32>>>,
    /// Where the output for each choice is, if those of the experts follow each other: `[positions, chosen]`.
    pub(super) rows: Vec<usize>,
}

impl Choice {
    /// The positions that the expert computes, ascending.
    pub(crate) fn positions_of(&self, expert: usize) -> &Arc<Vec<u32>> {
        &self.positions[expert]
    }

    fn new(chosen: usize, experts: Vec<usize>, count: usize) -> Self {
        let mut positions = vec![Vec::new(); count];
        let mut places = Vec::with_capacity(experts.len());
        for (choice, &expert) in experts.iter().enumerate() {
            places.push(positions[expert].len());
            positions[expert].push((choice / chosen) as u32);
        }
        let mut starts = Vec::with_capacity(count);
        positions.iter().fold(0, |start, positions| {
            starts.push(start);
            start + positions.len()
        });
        let rows = experts.iter().zip(places).map(|(expert, place)| starts[*expert] + place).collect();
        Self { chosen, experts, positions: positions.into_iter().map(Arc::new).collect(), rows }
    }
}

/// Chooses the experts of every position by their scores, the lower index among equals. No gradient flows through it.
///
/// Shapes: `logits [positions, experts]`, `correction [experts]`.
/// Source: transformers' `MixtralTopKRouter`, `DeepseekV2TopkRouter` and `DeepseekV3TopkRouter`.
pub(crate) fn choose_experts(logits: &Tensor, correction: Option<&Tensor>, config: &Experts) -> Result<Arc<Choice>> {
    let correction = match correction {
        Some(correction) => with_values(correction, |values| Ok(values.to_vec()))?,
        None => vec![0.0; config.count],
    };
    let mut experts = Vec::new();
    with_values(logits, |logits| {
        for logits in logits.chunks_exact(config.count) {
            let mut scores = scores(logits, config.routing.scores);
            scores.iter_mut().zip(&correction).for_each(|(score, correction)| *score += correction);
            let mut candidates: Vec<usize> = match config.routing.groups {
                None => (0..config.count).collect(),
                Some(groups) => in_best_groups(&scores, groups, config.routing.scores),
            };
            keep_best(&mut candidates, config.chosen, |expert| scores[expert]);
            experts.extend(candidates);
        }
        Ok(())
    })?;
    Ok(Arc::new(Choice::new(config.chosen, experts, config.count)))
}

/// Keeps the `count` candidates with the largest scores, ascending.
fn keep_best(candidates: &mut Vec<usize>, count: usize, score: impl Fn(usize) -> f32) {
    candidates.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
    candidates.truncate(count);
    candidates.sort_unstable();
}

/// The experts of the best groups.
fn in_best_groups(scores: &[f32], groups: Groups, kind: Scores) -> Vec<usize> {
    let size = scores.len() / groups.count;
    let worth: Vec<f32> = scores
        .chunks_exact(size)
        .map(|group| {
            let mut best = group.to_vec();
            best.sort_by(|a, b| b.total_cmp(a));
            match kind {
                Scores::Softmax => best[0],
                Scores::Sigmoid => best.iter().take(2).fold(0.0, |sum, score| sum + score),
            }
        })
        .collect();
    let mut kept: Vec<usize> = (0..groups.count).collect();
    keep_best(&mut kept, groups.kept, |group| worth[group]);
    kept.into_iter().flat_map(|group| group * size..(group + 1) * size).collect()
}

/// Scores of all experts for one position.
fn scores(logits: &[f32], kind: Scores) -> Vec<f32> {
    match kind {
        Scores::Softmax => {
            let mut scores = logits.to_vec();
            let (_, total) = exp_shifted(&mut scores);
            let scale = 1.0 / total;
            scores.iter_mut().for_each(|score| *score *= scale);
            scores
        }
        Scores::Sigmoid => logits.iter().map(|logit| sigmoid(*logit)).collect(),
    }
}

/// Weights of the chosen experts: their scores `s`, divided by their sum if `normalised`, times `scale`.
///
/// Shapes: `logits [positions, experts]` -> `[positions, chosen]`. The gradient is exact, through softmax and sum too.
pub(crate) fn expert_weights(logits: &Tensor, choice: &Arc<Choice>, routing: Routing) -> Result<Tensor> {
    if !is_native(logits) {
        return composed::expert_weights(logits, choice, routing);
    }
    logits.apply_op1(ExpertWeights { choice: choice.clone(), routing })
}

struct ExpertWeights {
    choice: Arc<Choice>,
    routing: Routing,
}

/// Added to the sum that scores are divided by, where they can all vanish (transformers' `DeepseekV3TopkRouter`).
pub(super) const SUM_MIN: f32 = 1e-20;

impl ExpertWeights {
    /// What the scores of the chosen are divided by.
    fn divisor(&self, chosen: &[f32]) -> f32 {
        match (self.routing.normalised, self.routing.scores) {
            (false, _) => 1.0,
            (true, Scores::Softmax) => chosen.iter().fold(0.0, |sum, score| sum + score),
            (true, Scores::Sigmoid) => chosen.iter().fold(0.0, |sum, score| sum + score) + SUM_MIN,
        }
    }
}

impl CustomOp1 for ExpertWeights {
    fn name(&self) -> &'static str {
        "expert-weights"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (positions, count) = at.shape().dims2()?;
        let chosen = self.choice.chosen;
        let mut weights = Vec::with_capacity(positions * chosen);
        let rows = elements(logits, at)?.chunks_exact(count);
        for (logits, experts) in rows.zip(self.choice.experts.chunks_exact(chosen)) {
            let scores = scores(logits, self.routing.scores);
            let of_chosen: Vec<f32> = experts.iter().map(|expert| scores[*expert]).collect();
            let divisor = self.divisor(&of_chosen);
            weights.extend(of_chosen.iter().map(|score| score / divisor * self.routing.scale));
        }
        Ok((CpuStorage::F32(weights), Shape::from((positions, chosen))))
    }

    fn bwd(&self, logits: &Tensor, _weights: &Tensor, dw: &Tensor) -> Result<Option<Tensor>> {
        let (count, chosen) = (logits.dim(1)?, self.choice.chosen);
        let mut d_logits = vec![0f32; logits.elem_count()];
        with_elements(logits, |logits| {
            with_elements(&dw.contiguous()?, |dw| {
                let choices = self.choice.experts.chunks_exact(chosen).zip(dw.chunks_exact(chosen));
                let rows = logits.chunks_exact(count).zip(d_logits.chunks_exact_mut(count));
                for ((logits, d_logits), (experts, dw)) in rows.zip(choices) {
                    let scores = scores(logits, self.routing.scores);
                    let of_chosen: Vec<f32> = experts.iter().map(|expert| scores[*expert]).collect();
                    let divisor = self.divisor(&of_chosen);
                    // w = scale·s/t: dw/ds is scale/t, and through t = Σs the mean of dw under s/t is taken off.
                    let mean = if self.routing.normalised { dot(dw, &of_chosen) / divisor } else { 0.0 };
                    for (expert, dw) in experts.iter().zip(dw) {
                        d_logits[*expert] = self.routing.scale / divisor * (dw - mean);
                    }
                    // d_logits holds ds now.
                    match self.routing.scores {
                        Scores::Sigmoid => {
                            d_logits.iter_mut().zip(&scores).for_each(|(d, s)| *d *= s * (1.0 - s));
                        }
                        Scores::Softmax => {
                            let mean = dot(d_logits, &scores);
                            d_logits.iter_mut().zip(&scores).for_each(|(d, s)| *d = s * (*d - mean));
                        }
                    }
                }
                Ok(())
            })
        })?;
        Ok(Some(Tensor::from_vec(d_logits, logits.shape(), logits.device())?))
    }
}

/// Sum of the outputs of each position's experts, times their weights, in ascending order of the experts.
///
/// Shapes: `outputs [positions·chosen, features]`, those of an expert after those of the one before it, each in order of
/// position; `weights [positions, chosen]` -> `[positions, features]`.
pub(crate) fn combine_experts(outputs: &Tensor, weights: &Tensor, choice: Arc<Choice>) -> Result<Tensor> {
    if !is_native(outputs) {
        return composed::combine_experts(outputs, weights, choice);
    }
    outputs.apply_op2(weights, Combine { choice })
}

struct Combine {
    choice: Arc<Choice>,
}

impl CustomOp2 for Combine {
    fn name(&self) -> &'static str {
        "combine-experts"
    }

    fn cpu_fwd(
        &self,
        outputs: &CpuStorage,
        outputs_at: &Layout,
        weights: &CpuStorage,
        weights_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (positions, chosen) = weights_at.shape().dims2()?;
        let features = outputs_at.shape().dims2()?.1;
        let (outputs, weights) = (elements(outputs, outputs_at)?, elements(weights, weights_at)?);
        let mut sums = vec![0f32; positions * features];
        for (choice, (row, weight)) in self.choice.rows.iter().zip(weights).enumerate() {
            let sum = &mut sums[choice / chosen * features..][..features];
            let output = &outputs[row * features..][..features];
            sum.iter_mut().zip(output).for_each(|(sum, output)| *sum += output * weight);
        }
        Ok((CpuStorage::F32(sums), Shape::from((positions, features))))
    }

    fn bwd(
        &self,
        outputs: &Tensor,
        weights: &Tensor,
        _sums: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (features, chosen) = (outputs.dim(1)?, self.choice.chosen);
        let mut d_outputs = is_tracked(outputs).then(|| vec![0f32; outputs.elem_count()]);
        let mut d_weights = is_tracked(weights).then(|| vec![0f32; weights.elem_count()]);
        with_elements(&dy.contiguous()?, |dy| {
            let dy = |choice: usize| &dy[choice / chosen * features..][..features];
            if let Some(d_outputs) = &mut d_outputs {
                with_elements(weights, |weights| {
                    for (choice, (row, weight)) in self.choice.rows.iter().zip(weights).enumerate() {
                        let d_output = &mut d_outputs[row * features..][..features];
                        d_output.iter_mut().zip(dy(choice)).for_each(|(d, dy)| *d = dy * weight);
                    }
                    Ok(())
                })?;
            }
            if let Some(d_weights) = &mut d_weights {
                with_elements(outputs, |outputs| {
                    for (choice, (row, d_weight)) in self.choice.rows.iter().zip(d_weights).enumerate() {
                        *d_weight = dot(dy(choice), &outputs[row * features..][..features]);
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        let tensor = |values: Option<Vec<f32>>, of: &Tensor| {
            values.map(|values| Tensor::from_vec(values, of.shape(), of.device())).transpose()
        };
        Ok((tensor(d_outputs, outputs)?, tensor(d_weights, weights)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn config(count: usize, chosen: usize, scores: Scores, groups: Option<Groups>) -> Experts {
        let routing = Routing { scores, groups, normalised: true, scale: 1.0 };
        Experts { count, chosen, intermediate_size: 1, shared: 0, first_layer: 0, routing }
    }

    fn choose(logits: &[f32], correction: Option<&[f32]>, config: &Experts) -> Vec<usize> {
        let tensor =
            |values: &[f32], rows| Tensor::from_slice(values, (rows, values.len() / rows), &Device::Cpu).unwrap();
        let correction = correction.map(|values| tensor(values, 1).flatten_all().unwrap());
        let logits = tensor(logits, logits.len() / config.count);
        choose_experts(&logits, correction.as_ref(), config).unwrap().experts.clone()
    }

    #[test]
    fn best_experts_are_chosen_and_ties_go_to_the_first() {
        let config = config(4, 2, Scores::Softmax, None);
        assert_eq!(choose(&[0.0, 3.0, 1.0, 2.0, 5.0, 5.0, 5.0, 6.0], None, &config), [1, 3, 0, 3]);
    }

    #[test]
    fn a_group_counts_as_its_best_or_its_two_best() {
        // Group 0 has the best expert, group 1 the better pair.
        let logits = [3.0, -9.0, -9.0, 2.0, 1.9, -9.0, 0.0, 0.0, 0.0];
        let groups = Some(Groups { count: 3, kept: 1 });
        assert_eq!(choose(&logits, None, &config(9, 2, Scores::Softmax, groups)), [0, 1]);
        assert_eq!(choose(&logits, None, &config(9, 2, Scores::Sigmoid, groups)), [3, 4]);
    }

    #[test]
    fn correction_changes_the_choice_and_not_the_weights() {
        let config = config(3, 1, Scores::Sigmoid, None);
        let logits = [2.0, 0.0, -1.0];
        assert_eq!(choose(&logits, None, &config), [0]);
        assert_eq!(choose(&logits, Some(&[0.0, 0.0, 0.9]), &config), [2]);
        let logits = Tensor::from_slice(&logits, (1, 3), &Device::Cpu).unwrap();
        let choice = Arc::new(Choice::new(1, vec![2], 3));
        let plain = Routing { normalised: false, scale: 2.0, ..config.routing };
        let weight = expert_weights(&logits, &choice, plain).unwrap().to_vec2::<f32>().unwrap()[0][0];
        assert!((weight - 2.0 / (1.0 + 1f32.exp())).abs() < 1e-6, "{weight}");
    }

    #[test]
    fn rows_are_those_of_experts_one_after_the_other() {
        let choice = Choice::new(2, vec![0, 2, 1, 2, 0, 1], 4);
        assert_eq!(choice.rows, [0, 4, 2, 5, 1, 3]);
        assert_eq!(
            choice.positions.iter().map(|p| p.to_vec()).collect::<Vec<_>>(),
            [vec![0, 2], vec![1, 2], vec![0, 1], vec![]]
        );
    }
}
