//! `--partition`: as given, or as the batch engine says that started this process.
//!
//! Engines number the tasks of an array in variables of the environment. Where an engine does not
//! tell how many there are, SQUALL_SHARDS must.

use harness::partition::Partition;

/// A partition as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartitionArgument {
    /// This one.
    Given(Partition),
    /// The one that the environment tells.
    Environment,
}

/// How an engine says which shard this is.
struct Engine {
    name: &'static str,
    index: &'static str,
    /// The variable with the first index, or the first index itself.
    first: First,
    /// Variables with the number of shards; the first one that is set counts.
    counts: &'static [&'static str],
    /// The variable with the distance between two indices, if there is one.
    step: Option<&'static str>,
}

enum First {
    Is(u64),
    In(&'static str),
}

/// Set by whoever starts shards with an engine that does not tell how many there are.
const SHARDS: &str = "SQUALL_SHARDS";

const ENGINES: [Engine; 5] = [
    Engine {
        name: "a Slurm job array",
        index: "SLURM_ARRAY_TASK_ID",
        first: First::In("SLURM_ARRAY_TASK_MIN"),
        counts: &["SLURM_ARRAY_TASK_COUNT"],
        step: Some("SLURM_ARRAY_TASK_STEP"),
    },
    Engine {
        name: "a Kubernetes indexed job",
        index: "JOB_COMPLETION_INDEX",
        first: First::Is(0),
        counts: &[SHARDS],
        step: None,
    },
    Engine {
        name: "an AWS Batch array job",
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: First::Is(0),
        counts: &["AWS_BATCH_JOB_ARRAY_SIZE", SHARDS],
        step: None,
    },
    Engine {
        name: "a parallel GitLab job",
        index: "CI_NODE_INDEX",
        first: First::Is(1),
        counts: &["CI_NODE_TOTAL"],
        step: None,
    },
    Engine {
        name: "a parallel Buildkite step",
        index: "BUILDKITE_PARALLEL_JOB",
        first: First::Is(0),
        counts: &["BUILDKITE_PARALLEL_JOB_COUNT"],
        step: None,
    },
];

/// Reads `slice:k/n` or `env`.
pub(crate) fn parse_partition(text: &str) -> Result<PartitionArgument, String> {
    match text {
        "env" => Ok(PartitionArgument::Environment),
        given => match given.parse() {
            Ok(partition) => Ok(PartitionArgument::Given(partition)),
            Err(error) => Err(format!("{error}; or env, for what the batch engine says")),
        },
    }
}

impl PartitionArgument {
    /// The partition.
    ///
    /// # Errors
    /// When the environment does not tell it.
    pub(crate) fn resolve(self) -> Result<Partition, String> {
        match self {
            PartitionArgument::Given(partition) => Ok(partition),
            PartitionArgument::Environment => from_environment(|name| {
                std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
            }),
        }
    }
}

fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Partition, String> {
    let get = |name: &str| get(name).filter(|value| !value.is_empty());
    let started: Vec<&Engine> =
        ENGINES.iter().filter(|engine| get(engine.index).is_some()).collect();
    match started.as_slice() {
        [] => {
            let known = ENGINES.map(|engine| engine.index).join(", ");
            Err(format!("--partition env: none of {known} is set; give slice:K/N instead"))
        }
        [engine] => engine.partition(get).map_err(|message| {
            format!("--partition env: {message} (the index variable is that of {})", engine.name)
        }),
        several => {
            let set: Vec<&str> = several.iter().map(|engine| engine.index).collect();
            let set = set.join(" and ");
            Err(format!("--partition env: {set} are set, and may differ; give slice:K/N instead"))
        }
    }
}

impl Engine {
    fn partition(&self, get: impl Fn(&str) -> Option<String>) -> Result<Partition, String> {
        let number = |name: &str| match get(name) {
            None => Ok(None),
            Some(value) => match value.parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("{name} is `{value}`, but a number was expected")),
            },
        };
        let needed = |name: &str| number(name)?.ok_or_else(|| format!("{name} is not set"));
        let index = needed(self.index)?;
        let first = match self.first {
            First::Is(first) => first,
            First::In(name) => needed(name)?,
        };
        let step = self.step.map_or(Ok(None), number)?.unwrap_or(1);
        let mut count = None;
        for name in self.counts {
            count = count.or(number(name)?);
        }
        let names = self.counts.join(" or ");
        let count = count.ok_or_else(|| format!("{names} must tell how many shards there are"))?;
        let place = index.checked_sub(first).filter(|place| step > 0 && place % step == 0);
        let partition = place.and_then(|place| Partition::new(place / step + 1, count).ok());
        partition.ok_or_else(|| {
            format!("{} is {index}, but {count} shards are counted from {first}", self.index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(variables: &[(&str, &str)]) -> Result<String, String> {
        let get = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        from_environment(get).map(|partition| partition.to_string())
    }

    #[test]
    fn every_engine_is_understood() {
        for (variables, expected) in [
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "12"),
                    ("SLURM_ARRAY_TASK_MIN", "10"),
                    ("SLURM_ARRAY_TASK_COUNT", "4"),
                ][..],
                "slice:3/4",
            ),
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "8"),
                    ("SLURM_ARRAY_TASK_MIN", "0"),
                    ("SLURM_ARRAY_TASK_STEP", "4"),
                    ("SLURM_ARRAY_TASK_COUNT", "3"),
                ],
                "slice:3/3",
            ),
            (&[("JOB_COMPLETION_INDEX", "0"), ("SQUALL_SHARDS", "7")], "slice:1/7"),
            (&[("AWS_BATCH_JOB_ARRAY_INDEX", "6"), ("SQUALL_SHARDS", "7")], "slice:7/7"),
            (&[("AWS_BATCH_JOB_ARRAY_INDEX", "1"), ("AWS_BATCH_JOB_ARRAY_SIZE", "2")], "slice:2/2"),
            (&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "3")], "slice:1/3"),
            (
                &[("BUILDKITE_PARALLEL_JOB", "2"), ("BUILDKITE_PARALLEL_JOB_COUNT", "3")],
                "slice:3/3",
            ),
        ] {
            assert_eq!(partition(variables), Ok(expected.to_owned()), "{variables:?}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (variables, complaint) in [
            (&[][..], "none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX,"),
            (&[("JOB_COMPLETION_INDEX", "")], "none of SLURM_ARRAY_TASK_ID"),
            (&[("JOB_COMPLETION_INDEX", "1")], "SQUALL_SHARDS must tell how many shards"),
            (
                &[("CI_NODE_INDEX", "x"), ("CI_NODE_TOTAL", "3")],
                "CI_NODE_INDEX is `x`, but a number",
            ),
            (&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "3")], "CI_NODE_INDEX is 0, but 3 shards"),
            (&[("CI_NODE_INDEX", "4"), ("CI_NODE_TOTAL", "3")], "are counted from 1"),
            (
                &[("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_COUNT", "3")],
                "SLURM_ARRAY_TASK_MIN is not set",
            ),
            (
                &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "3"), ("JOB_COMPLETION_INDEX", "1")],
                "JOB_COMPLETION_INDEX and CI_NODE_INDEX are set",
            ),
        ] {
            let error = partition(variables).unwrap_err();
            assert!(error.contains(complaint), "{variables:?}: {error}");
        }
    }

    #[test]
    fn a_partition_is_given_or_told() {
        assert_eq!(parse_partition("env"), Ok(PartitionArgument::Environment));
        let given = PartitionArgument::Given(Partition::new(2, 3).unwrap());
        assert_eq!(parse_partition("slice:2/3"), Ok(given));
        assert!(parse_partition("slice:4/3").unwrap_err().contains("no shard 4 of 3"));
        assert!(parse_partition("all").unwrap_err().contains("or env"));
    }
}
