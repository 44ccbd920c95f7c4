//! `visavis eval scenes`: held-out drawings, asked and scored.

use super::table;
use crate::args::Common;
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::locate::{Located, Places};
use crate::output;
use crate::progress::Progress;
use crate::text::{printable, shown};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visavis_engine::RequestPicture;
use visavis_eval::card::{About, Lesson, Report, practice_card};
use visavis_eval::question::{Question, write_lines};
use visavis_eval::score::Score;
use visavis_eval::summary::Summary;
use visavis_eval::{Answered, Evaluation, run};
use visavis_llava::checkpoint;
use visavis_llava::device::DeviceChoice;
use visavis_train::scenes::{Exercise, Generator, Options, Split, exam};

/// Checked options.
#[derive(Debug)]
pub(crate) struct ScenesJob {
    pub(crate) model: Option<OsString>,
    pub(crate) compare: Vec<OsString>,
    pub(crate) count: u64,
    pub(crate) seed: u64,
    pub(crate) loss: bool,
    pub(crate) device: DeviceChoice,
    pub(crate) max_tokens: usize,
    pub(crate) answers: Option<PathBuf>,
    pub(crate) card: Option<PathBuf>,
    pub(crate) about: Option<PathBuf>,
    pub(crate) json: bool,
}

/// What `--about` holds besides what is measured here.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Story {
    stages: Vec<String>,
    lessons: Vec<Lesson>,
}

/// A line of `--answers`.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    question: &'a Question,
    /// What the model said. (`answer` is the right one.)
    said: &'a str,
    score: Score,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Runs the command.
pub(crate) fn run(job: &ScenesJob, common: Common) -> Result<Outcome, Failure> {
    let story = job.about.as_deref().map(read_story).transpose()?;
    let places = Places::of_this_process();
    let model = places.find(job.model.as_deref())?;
    let others = job.compare.iter().map(|named| places.find(Some(named)));
    let others = others.collect::<Result<Vec<Located>, Failure>>()?;
    let interrupt = Interrupt::install()?;
    let progress = Progress::new(common.quiet);
    let paper = Paper::draw(job)?;
    let (summary, answers) = paper.ask(job, &model, &interrupt, &progress)?;
    let mut formats = Vec::new();
    for other in &others {
        formats.push(paper.ask(job, other, &interrupt, &progress)?.0);
    }
    progress.clear();
    if let Some(path) = &job.answers {
        let lines: Vec<Line<'_>> = paper
            .questions
            .iter()
            .zip(&answers)
            .map(|(question, answered)| Line {
                question,
                said: &answered.text,
                score: answered.score,
                error: answered.error.as_deref(),
            })
            .collect();
        write_lines(path, &lines).map_err(failed)?;
    }
    let report = report(job, &model, summary, formats, story.unwrap_or_default())?;
    if let Some(path) = &job.card {
        std::fs::write(path, practice_card(&report))
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", shown(path))))?;
    }
    if job.json {
        return output::print_json(&report);
    }
    let all = std::iter::once(&report.summary).chain(&report.formats);
    let tables: Vec<String> = all.map(table::table).collect();
    output::print_bytes(printable(&tables.join("\n")).as_bytes())
}

fn report(
    job: &ScenesJob,
    model: &Located,
    summary: Summary,
    formats: Vec<Summary>,
    story: Story,
) -> Result<Report, Failure> {
    let facts = checkpoint::inspect(&model.path).map_err(|e| Failure::new(e.to_string()))?;
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Report {
        about: About {
            parameters: facts.parameters,
            image_size: small(facts.image_size),
            image_tokens: small(facts.image_tokens),
            pieces: small(facts.vocabulary),
            stages: story.stages,
            test_seed: job.seed,
        },
        summary,
        formats,
        lessons: story.lessons,
    })
}

fn read_story(path: &Path) -> Result<Story, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", shown(path))))?;
    serde_json::from_str(&text).map_err(|error| Failure::new(format!("{}: {error}", shown(path))))
}

/// The questions, with the scenes they are about.
struct Paper {
    generator: Generator,
    questions: Vec<Question>,
    exercises: HashMap<String, Exercise>,
}

impl Paper {
    fn draw(job: &ScenesJob) -> Result<Self, Failure> {
        let generator = Generator::new(Options {
            seed: job.seed,
            split: Split::Test,
            ..Options::default()
        })
        .map_err(|error| Failure::new(error.to_string()))?;
        let exercises = exam(&generator, job.count);
        Ok(Self {
            generator,
            questions: exercises.iter().map(|e| e.question.clone()).collect(),
            exercises: exercises
                .into_iter()
                .map(|e| (e.question.question_id.clone(), e))
                .collect(),
        })
    }

    fn picture(&self, question: &Question) -> visavis_eval::Result<RequestPicture> {
        let id = &question.question_id;
        let exercise = self
            .exercises
            .get(id)
            .ok_or_else(|| visavis_eval::Error::Question {
                id: id.clone(),
                reason: "its scene is gone".to_owned(),
            })?;
        let picture = self.generator.picture_as_filed(&exercise.sample);
        Ok(RequestPicture {
            width: picture.width(),
            height: picture.height(),
            rgb: Arc::new(picture.into_raw()),
        })
    }

    fn ask(
        &self,
        job: &ScenesJob,
        model: &Located,
        interrupt: &Interrupt,
        progress: &Progress,
    ) -> Result<(Summary, Vec<Answered>), Failure> {
        let evaluation = Evaluation {
            questions: &self.questions,
            device: job.device,
            loss: job.loss,
            max_tokens: job.max_tokens,
        };
        let mut watcher = |at| {
            match at {
                run::Progress::Loading => progress.questions("Loading the model", 0, 0),
                run::Progress::Asking { done, total } => {
                    progress.questions("Asking", done as u64, total as u64);
                }
                run::Progress::Loss { done, total } => {
                    progress.questions("Measuring the loss", done as u64, total as u64);
                }
            }
            !interrupt.pressed()
        };
        evaluation
            .run(
                &model.path,
                &model.name,
                &mut |q| self.picture(q),
                &mut watcher,
            )
            .inspect_err(|_| progress.clear())
            .map_err(|error| match error {
                _ if interrupt.pressed() => Failure::interrupted(),
                visavis_eval::Error::Engine(failure) => failure.into(),
                other => failed(other),
            })
    }
}

fn failed(error: visavis_eval::Error) -> Failure {
    Failure::new(error.to_string())
}
