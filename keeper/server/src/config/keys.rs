//! What becomes of each key of `zoo.cfg` (ZooKeeper Administrator's Guide, "Configuration
//! Parameters").
//!
//! A key that would change what forms a quorum, what is durable or who may do what, and that this
//! server does not implement, is refused unless its value asks for what the server does anyway.
//! Reading past such a key would make the server something else than its operator believes.

/// What the server does about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It obeys.
    Obeyed,
    /// It refuses to start, except with one of these values.
    Refused {
        /// Values that ask for what the server does anyway.
        harmless: &'static [&'static str],
        /// What is not implemented.
        what: &'static str,
    },
    /// It knows the key, goes on without it, and says so.
    Ignored,
    /// It does not know the key, goes on without it, and says so.
    Unknown,
}

/// Keys that the server obeys, besides `server.N`.
const OBEYED: [&str; 22] = [
    "dataDir",
    "dataLogDir",
    "clientPort",
    "clientPortAddress",
    "tickTime",
    "initLimit",
    "syncLimit",
    "minSessionTimeout",
    "maxSessionTimeout",
    "maxClientCnxns",
    "snapCount",
    "commitLogCount",
    "jute.maxbuffer",
    "electionAlg",
    "peerType",
    "standaloneEnabled",
    "quorumListenOnAllIPs",
    "version",
    "autopurge.snapRetainCount",
    "autopurge.purgeInterval",
    "electionPortBindRetry",
    // Its own: Apache has no such bound.
    "unreadAnswersMaxBytes",
];

const OFF: &[&str] = &["false", "no"];

/// Keys, or families ending in `.` or `*`, that are refused: the harmless values, and what it is
/// that is not implemented.
const REFUSED: [(&str, &[&str], &str); 38] = [
    ("forceSync", &["yes"], "acknowledging what is not yet on disk"),
    ("group*", &[], "hierarchical quorums"),
    ("weight*", &[], "hierarchical quorums"),
    ("oraclePath", &[], "oracle quorums"),
    ("dynamicConfigFile", &[], "dynamic configuration"),
    ("reconfigEnabled", OFF, "dynamic reconfiguration"),
    ("observerMasterPort", &["0"], "observers"),
    ("observer.*", &[], "observers"),
    ("multiAddress.enabled", OFF, "several addresses for one server"),
    ("localSessionsEnabled", OFF, "local sessions"),
    ("localSessionsUpgradingEnabled", OFF, "local sessions"),
    ("sslQuorum", OFF, "TLS between servers"),
    ("sslQuorumReloadCertFiles", OFF, "TLS between servers"),
    ("portUnification", OFF, "TLS between servers"),
    ("client.portUnification", OFF, "TLS for clients"),
    ("client.certReload", OFF, "TLS for clients"),
    ("secureClientPort", &[], "TLS for clients"),
    ("secureClientPortAddress", &[], "TLS for clients"),
    ("ssl.*", &[], "TLS"),
    ("quorum.auth.enableSasl", OFF, "SASL between servers"),
    ("quorum.auth.learnerRequireSasl", OFF, "SASL between servers"),
    ("quorum.auth.serverRequireSasl", OFF, "SASL between servers"),
    ("quorum.auth.*", &[], "SASL between servers"),
    ("enforce.auth.enabled", OFF, "enforced authentication"),
    ("enforce.auth.*", &[], "enforced authentication"),
    ("sessionRequireClientSASLAuth", OFF, "SASL for clients"),
    ("requireClientAuthScheme", &[], "SASL for clients"),
    ("allowSaslFailedClients", OFF, "SASL for clients"),
    ("kerberos.*", &[], "Kerberos"),
    ("sasl.*", &[], "SASL for clients"),
    ("authProvider.*", &[], "authentication providers"),
    ("DigestAuthenticationProvider.*", &[], "a superuser or another digest algorithm"),
    ("X509AuthenticationProvider.*", &[], "X.509 authentication"),
    ("superUser", &[], "a superuser"),
    ("skipACL", OFF, "switching access control off"),
    ("audit.enable", OFF, "the audit log"),
    ("snapshot.trust.empty", OFF, "starting without a snapshot beside a log"),
    ("snapshot.compression.method", &[""], "compressed snapshots"),
];

/// Keys and families that Apache ZooKeeper documents and that change neither quorum, durability
/// nor security.
const IGNORED: [&str; 40] = [
    "4lw.*",
    "admin.*",
    "advancedFlowControlEnabled",
    "autopurge.*",
    "clientPortListenBacklog",
    "closeSessionTxn.enabled",
    "cnxTimeout",
    "commitProcessor.*",
    "connectToLearnerMasterLimit",
    "connection_throttle_*",
    "digest.enabled",
    "enforceQuota",
    "extendedTypesEnabled",
    "fastleader.*",
    "fips-mode",
    "flushDelay",
    "fsync.warningthresholdms",
    "globalOutstandingLimit",
    "jvm.pause.*",
    "large*",
    "leaderServes",
    "leader.*",
    "learner.*",
    "maxBatchSize",
    "maxCnxns",
    "maxGetChildrenResponseCacheSize",
    "maxResponseCacheSize",
    "metricsProvider.*",
    "multiAddress.*",
    "netty.*",
    "nio.*",
    "preAllocSize",
    "quorum.cnxn.threads.size",
    "readonlymode.enabled",
    "request_throttle_*",
    "serverCnxnFactory",
    "snapSizeLimitInKb",
    "syncEnabled",
    "txnLogSizeLimitInKb",
    "watchManagerName",
];

/// What the server does about `key`, which is given without the prefix `zookeeper.`.
pub(super) fn rule(key: &str) -> Rule {
    if OBEYED.contains(&key) || key.starts_with("server.") {
        return Rule::Obeyed;
    }
    // The first that fits: members of a family that have harmless values stand before it.
    if let Some((_, harmless, what)) = REFUSED.iter().find(|(name, ..)| fits(name, key)) {
        return Rule::Refused { harmless, what };
    }
    if IGNORED.iter().any(|name| fits(name, key)) { Rule::Ignored } else { Rule::Unknown }
}

/// The known key that differs from `key` in upper and lower case alone.
pub(super) fn other_case(key: &str) -> Option<&'static str> {
    let refused = REFUSED.iter().map(|(name, ..)| *name);
    let known = OBEYED.into_iter().chain(refused).chain(IGNORED);
    known.into_iter().find(|name| name.eq_ignore_ascii_case(key))
}

fn fits(name: &str, key: &str) -> bool {
    match name.strip_suffix('*') {
        Some(family) => key.starts_with(family),
        None => name == key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_two_tables_is_refused() {
        for (name, ..) in REFUSED {
            let key = name.replace('*', "x");
            assert!(matches!(rule(&key), Rule::Refused { .. }), "{key}");
        }
        assert_eq!(rule("multiAddress.reachabilityCheckEnabled"), Rule::Ignored);
        assert_eq!(rule("quorum.cnxn.threads.size"), Rule::Ignored);
        assert_eq!(rule("server.1"), Rule::Obeyed);
        assert_eq!(rule("serverCnxnFactory"), Rule::Ignored);
        assert_eq!(rule("datadir"), Rule::Unknown);
        assert_eq!(other_case("datadir"), Some("dataDir"));
        assert_eq!(other_case("nonsense"), None);
    }

    #[test]
    fn a_switch_that_is_off_is_harmless_and_a_family_is_not() {
        let harmless = |key| match rule(key) {
            Rule::Refused { harmless, .. } => harmless,
            Rule::Obeyed | Rule::Ignored | Rule::Unknown => panic!("{key} is not refused"),
        };
        assert!(harmless("quorum.auth.enableSasl").contains(&"false"));
        assert!(harmless("quorum.auth.server.loginContext").is_empty());
        assert!(harmless("ssl.clientAuth").is_empty());
    }
}
