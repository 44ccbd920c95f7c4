//! tmp: runs a recipe
use visavis_train::run::{Progress, Watch, train};
use visavis_train::settings::Settings;
struct Lines(std::time::Instant);
impl Watch for Lines {
    fn step(&mut self, p: &Progress) -> bool {
        if p.point.step < 5 || self.0.elapsed().as_secs() >= 20 {
            self.0 = std::time::Instant::now();
            println!(
                "step {}/{} loss {:.4} norm {:.3} {:.2}/s left {} s",
                p.point.step,
                p.steps,
                p.point.loss,
                p.point.norm,
                p.speed,
                p.left.as_secs()
            );
        }
        true
    }
    fn note(&mut self, text: &str) {
        println!("{text}");
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "fresh" {
        // fresh OUT PIECES
        let d = visavis_train::settings::Drawn {
            captions: 0.1,
            ..Default::default()
        };
        let options = visavis_train::scenes::Options {
            seed: 0,
            split: visavis_train::scenes::Split::Train,
            mix: visavis_train::scenes::Mix::level(5),
            turns: [3, 6],
            side: d.side,
        };
        let g = visavis_train::scenes::Generator::new(options).unwrap();
        let mut corpus = visavis_train::vocabulary::Corpus::default();
        let start = std::time::Instant::now();
        for i in 0..12000 {
            let s = if i % 8 == 0 {
                g.caption(i)
            } else {
                g.conversation(i)
            };
            for t in s.turns {
                corpus.add(&t.question);
                corpus.add(&t.answer);
            }
        }
        for _ in 0..12000 {
            corpus.add(visavis_llava::prompt::SYSTEM);
            corpus.add("USER: \n ASSISTANT:");
        }
        println!("corpus {:?}", start.elapsed());
        let t = corpus.learn(args[3].parse().unwrap()).unwrap();
        println!("learned {:?}", start.elapsed());
        visavis_train::fresh::write(&Default::default(), &t, 1, std::path::Path::new(&args[2]))
            .unwrap();
        let start = std::time::Instant::now();
        for i in 0..100 {
            let s = g.conversation(i);
            let _ = g.picture_as_filed(&s);
        }
        println!("100 drawn {:?}", start.elapsed());
        let tok = visavis_llava::Tokenizer::from_file(
            &std::path::Path::new(&args[2]).join("tokenizer.json"),
            100000,
        )
        .unwrap();
        let mut n = 0;
        let mut l = 0;
        for i in 0..200 {
            let s = g.conversation(i);
            let row = visavis_train::conversation::Row {
                number: 1,
                id: String::new(),
                image: Some("a".into()),
                turns: s
                    .turns
                    .iter()
                    .map(|t| visavis_train::conversation::Turn {
                        question: t.question.clone(),
                        answer: t.answer.clone(),
                    })
                    .collect(),
            };
            let t = visavis_train::labels::tokens(&row, visavis_train::labels::Template::V1, &tok)
                .unwrap();
            n += t.len();
            l += t
                .iter()
                .filter(|t| matches!(t, visavis_train::labels::Token::Learned(_)))
                .count();
            if i < 4 {
                println!("{:?}", s.turns);
            }
        }
        println!(
            "tokens per conversation {} learned {} system {}",
            n / 200,
            l / 200,
            tok.encode(visavis_llava::prompt::SYSTEM).unwrap().len()
        );
        return;
    }
    let settings = Settings::read(std::path::Path::new(&args[1])).unwrap();
    match train(&settings, &mut Lines(std::time::Instant::now())) {
        Ok(o) => println!("{o:?}"),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1)
        }
    }
}
