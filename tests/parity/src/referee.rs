//! The referee: a Go program that decides with kube-scheduler's own code. It is a child of this process.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use thiserror::Error;

use crate::protocol::{Answer, Request};

/// The environment variable that names the referee's binary.
pub const REFEREE_VARIABLE: &str = "LOADLINE_REFEREE";

/// Why the referee did not answer.
#[derive(Debug, Error)]
pub enum RefereeError {
    /// Nobody said where it is. Never a reason to skip a test.
    #[error("{REFEREE_VARIABLE} is not set: run `cargo xtask test`, or set LOADLINE_REFEREE")]
    NotSet,
    /// It could not be started.
    #[error("the referee {program} did not start: run `cargo xtask test`, or set LOADLINE_REFEREE: {source}")]
    Start {
        /// The binary.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The pipe to or from it broke: it has ended.
    #[error("the referee ended while it was asked about {id}: {source}\n{stderr}")]
    Pipe {
        /// The request.
        id: String,
        /// What the pipe says.
        source: io::Error,
        /// What the referee said last.
        stderr: String,
    },
    /// It does not speak the protocol.
    #[error("the referee's answer about {id} can not be read: {source}")]
    Protocol {
        /// The request.
        id: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It answered another request.
    #[error("the referee was asked about {id} and answered about {answered}")]
    OutOfStep {
        /// The request.
        id: String,
        /// The answer's.
        answered: String,
    },
    /// It could not judge the cluster: the generator made something invalid.
    #[error("the referee refuses {id}: {message}")]
    Refused {
        /// The request.
        id: String,
        /// Its words.
        message: String,
    },
}

/// A running referee. Dropping it ends it.
#[derive(Debug)]
pub struct Referee {
    child: Child,
    /// Closed first on drop: at its end the referee ends itself.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// Reads its stderr to the end. kube-scheduler logs there what is no fault, so it is shown only when the referee ends.
    stderr: Option<JoinHandle<String>>,
}

impl Referee {
    /// Starts the one that [`REFEREE_VARIABLE`] names.
    pub fn start() -> Result<Self, RefereeError> {
        let program = std::env::var_os(REFEREE_VARIABLE).filter(|value| !value.is_empty());
        Self::start_program(&program.ok_or(RefereeError::NotSet)?)
    }

    fn start_program(program: &OsStr) -> Result<Self, RefereeError> {
        let failed = |source| RefereeError::Start { program: program.to_string_lossy().into_owned(), source };
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        let stderr = child.stderr.take().map(|stderr| thread::spawn(move || last_of(stderr)));
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), stderr })
    }

    /// What kube-scheduler decides. The answer has one decision for each pod of the request, in its order.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, RefereeError> {
        let id = || request.id.clone();
        let protocol = |source| RefereeError::Protocol { id: id(), source };
        let line = match self.exchange(request) {
            Ok(line) => line,
            Err(source) => {
                let stderr = self.end();
                return Err(RefereeError::Pipe { id: id(), source, stderr });
            }
        };
        let answer: Answer = serde_json::from_str(&line).map_err(protocol)?;
        if answer.id != request.id {
            return Err(RefereeError::OutOfStep { id: id(), answered: answer.id });
        }
        if let Some(message) = answer.error {
            return Err(RefereeError::Refused { id: id(), message });
        }
        let answered = answer.decisions.iter().map(crate::Expected::pod);
        if !answered.eq(request.pods.iter().cloned()) {
            return Err(RefereeError::Refused {
                id: id(),
                message: "its decisions are not those of the pods that were asked for".to_owned(),
            });
        }
        Ok(answer)
    }

    fn exchange(&mut self, request: &Request) -> io::Result<String> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        // It reads the whole line before it writes, so that neither waits for the other.
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stdin.write_all(&line)?;
        stdin.flush()?;
        let mut answer = String::new();
        if self.stdout.read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer)
    }
}

impl Referee {
    /// Ends it, and gives what it said last.
    fn end(&mut self) -> String {
        drop(self.stdin.take());
        // After the end of its input it has nothing left to do; one that is stuck must not keep us.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let stderr = self.stderr.take().and_then(|reader| reader.join().ok());
        stderr.unwrap_or_default()
    }
}

impl Drop for Referee {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads to the end and keeps the last part: enough for the message of a panic and the top of its stack.
fn last_of(mut stderr: ChildStderr) -> String {
    const KEPT: usize = 4096;
    let (mut last, mut part) = (Vec::new(), [0; KEPT]);
    while let Ok(read @ 1..) = stderr.read(&mut part) {
        last.extend_from_slice(&part[..read]);
        last.drain(..last.len().saturating_sub(KEPT));
    }
    String::from_utf8_lossy(&last).into_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::{Referee, RefereeError};
    use crate::protocol::Request;

    fn request() -> Request {
        Request { id: "test/1".to_owned(), config: String::new(), objects: Vec::new(), pods: Vec::new() }
    }

    #[test]
    fn a_missing_program_is_an_error_that_says_what_to_do() {
        let error = Referee::start_program(OsStr::new("/nonexistent/referee")).expect_err("there is none");
        assert!(error.to_string().contains("run `cargo xtask test`, or set LOADLINE_REFEREE"), "{error}");
    }

    #[test]
    fn a_program_that_ends_is_an_error() {
        let mut referee = Referee::start_program(OsStr::new("true")).expect("it starts");
        let error = referee.ask(&request()).expect_err("it says nothing");
        assert!(matches!(error, RefereeError::Pipe { .. }), "{error}");
    }

    #[test]
    fn an_echo_is_an_answer_without_decisions() {
        let mut referee = Referee::start_program(OsStr::new("cat")).expect("it starts");
        for _ in 0..2 {
            let answer = referee.ask(&request()).expect("the request has the answer's id");
            assert!(answer.decisions.is_empty());
        }
        let mut wrong = request();
        wrong.pods.push("default/a".to_owned());
        let error = referee.ask(&wrong).expect_err("no decision for the pod");
        assert!(matches!(error, RefereeError::Refused { .. }), "{error}");
    }
}
