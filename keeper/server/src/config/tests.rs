//! Whole files, and every way in which one can be wrong.

use keeper_core::limits::APPLY_MAX;

use super::*;

const ENSEMBLE: &str = "\
# an ensemble
tickTime=2000
initLimit=10
syncLimit=5
dataDir=/var/lib/zookeeper
dataLogDir = /var/log/zookeeper
clientPort=2181
server.2=n2:2888:3888:participant
server.1=n1:2888:3888
server.3=n3:2888:3888;2181
";

fn read(text: &str) -> Config {
    let (config, warnings) = parse(text, "zoo.cfg").unwrap();
    assert_eq!(warnings, [], "{text}");
    config
}

fn error(text: &str) -> String {
    parse(text, "zoo.cfg").unwrap_err().to_string()
}

#[test]
fn an_ensemble_is_read_whole() {
    let config = read(ENSEMBLE);
    assert_eq!(config.data_dir, PathBuf::from("/var/lib/zookeeper"));
    assert_eq!(config.log_dir, PathBuf::from("/var/log/zookeeper"));
    assert_eq!(config.max_client_connections, Some(60));
    assert_eq!(config.settings, Settings::default());
    let ensemble = config.ensemble(ServerId(2));
    assert_eq!(ensemble.voters, [1, 2, 3].map(ServerId).into());
    assert_eq!(ensemble.me, ServerId(2));
    assert_eq!(
        ensemble.config_text,
        "server.1=n1:2888:3888:participant\nserver.2=n2:2888:3888:participant\n\
         server.3=n3:2888:3888:participant;0.0.0.0:2181\nversion=0"
    );
    let client = config.client(ServerId(1));
    assert_eq!((client.host.as_str(), client.port), ("0.0.0.0", 2181));
}

#[test]
fn a_standalone_server_needs_little() {
    let config = read("dataDir=/d\nclientPort 2181\nclientPortAddress: ::1\n");
    assert_eq!(config.log_dir, config.data_dir);
    let Settings { tick_ms, session_min_ms, session_max_ms, .. } = config.settings;
    assert_eq!((tick_ms, session_min_ms, session_max_ms), (3_000, 6_000, 60_000));
    assert_eq!(config.with_myid(None, "myid"), Ok(ServerId(1)));
    assert_eq!(config.with_myid(Some("7\n"), "myid"), Ok(ServerId(7)));
    let ensemble = config.ensemble(ServerId(7));
    assert_eq!((ensemble.voters.len(), ensemble.config_text.as_str()), (1, "version=0"));
    assert_eq!(config.client(ServerId(7)).host, "::1");
}

#[test]
fn every_number_is_obeyed_also_with_the_long_prefix() {
    let text = "dataDir=/d\nclientPort=1\ntickTime=100\ninitLimit=7\nsyncLimit=3\n\
        minSessionTimeout=150\nmaxSessionTimeout=-1\nmaxClientCnxns=0\nzookeeper.snapCount=20\n\
        commitLogCount=11\nzookeeper.jute.maxbuffer=0x400\nforceSync=yes\nelectionAlg=3\n\
        peerType=Participant\nquorumListenOnAllIPs=TRUE\nstandaloneEnabled=false\n\
        server.1=a:1:2\nsslQuorum=false\nreconfigEnabled=False\nquorum.auth.enableSasl=false\n";
    let config = read(text);
    assert_eq!(
        config.settings,
        Settings {
            tick_ms: 100,
            init_limit: 7,
            sync_limit: 3,
            session_min_ms: 150,
            session_max_ms: 2_000,
            snap_count: 20,
            commit_log_count: 11,
            packet_bytes_max: 1_024,
            apply_max: APPLY_MAX,
            apply_pause_ms: 0,
            epoch_transactions_max: u32::MAX,
            purge: None,
        }
    );
    assert_eq!(config.max_client_connections, None);
    assert!(config.quorum_listen_on_all);
}

#[test]
fn purges_are_off_unless_their_interval_is_given() {
    let purge = |lines: &str| {
        let text = format!("dataDir=/d\nclientPort=1\n{lines}\n");
        parse(&text, "zoo.cfg").map(|(config, _)| config.settings.purge)
    };
    let every = |hours: u64, retain_count| Purge { retain_count, interval_ms: hours * 3_600_000 };
    assert_eq!(purge(""), Ok(None));
    assert_eq!(purge("autopurge.snapRetainCount=9"), Ok(None));
    assert_eq!(purge("autopurge.purgeInterval=0"), Ok(None));
    assert_eq!(purge("autopurge.purgeInterval=24"), Ok(Some(every(24, 3))));
    let both = "autopurge.purgeInterval=1\nautopurge.snapRetainCount=";
    assert_eq!(purge(&format!("{both}5")), Ok(Some(every(1, 5))));
    assert_eq!(purge(&format!("{both}1")), Ok(Some(every(1, 3))), "three are the least");
    let error = purge("autopurge.purgeInterval=often").unwrap_err().to_string();
    assert!(error.contains("a whole number of hours"), "{error}");
}

#[test]
fn keys_that_do_not_matter_are_named_with_file_and_line() {
    let text = "dataDir=/d\nclientPort=1\n\nautopurge.nonsense=1\n4lw.commands.whitelist=*\n\
        admin.enableServer=false\nmetricsProvider.className=x\nnonsense=1\nClientPort=2\n\
        clientPort=2\n";
    let (config, warnings) = parse(text, "conf/zoo.cfg").unwrap();
    let lines: Vec<String> = warnings.iter().map(ConfigWarning::to_string).collect();
    assert_eq!(
        lines,
        [
            "conf/zoo.cfg:2: clientPort: is given again on line 10, which counts",
            "conf/zoo.cfg:4: autopurge.nonsense: is not implemented and has no effect",
            "conf/zoo.cfg:5: 4lw.commands.whitelist: is not implemented and has no effect",
            "conf/zoo.cfg:6: admin.enableServer: is not implemented and has no effect",
            "conf/zoo.cfg:7: metricsProvider.className: is not implemented and has no effect",
            "conf/zoo.cfg:8: nonsense: is not known and has no effect",
            "conf/zoo.cfg:9: ClientPort: is not known and has no effect; did you mean clientPort?",
        ]
    );
    assert_eq!(config.client_port, Some(2));
    let (_, warnings) = parse(&format!("{ENSEMBLE}server.4=n4:1:2\n"), "zoo.cfg").unwrap();
    assert_eq!(
        warnings[0].to_string(),
        "zoo.cfg:11: server.4: 4 servers survive the loss of 1, as 3 do"
    );
}

#[test]
fn what_changes_quorum_durability_or_security_is_refused() {
    for line in [
        "group.1=1:2:3",
        "weight.1=1",
        "sslQuorum=true",
        "secureClientPort=2281",
        "secureClientPortAddress=::",
        "quorum.auth.enableSasl=true",
        "quorum.auth.server.loginContext=QuorumServer",
        "enforce.auth.enabled=true",
        "enforce.auth.schemes=sasl",
        "ssl.keyStore.location=/k",
        "ssl.quorum.keyStore.location=/k",
        "forceSync=no",
        "oraclePath=/o",
        "dynamicConfigFile=/d",
        "reconfigEnabled=true",
        "localSessionsEnabled=true",
        "localSessionsUpgradingEnabled=true",
        "multiAddress.enabled=true",
        "sessionRequireClientSASLAuth=true",
        "requireClientAuthScheme=sasl",
        "authProvider.1=x.SASLAuthenticationProvider",
        "skipACL=yes",
        "DigestAuthenticationProvider.superDigest=super:x",
        "snapshot.trust.empty=true",
        "observerMasterPort=2191",
        "peerType=observer",
        "portUnification=true",
        "snapshot.compression.method=gz",
        "audit.enable=true",
        "X509AuthenticationProvider.superUser=x",
        "electionAlg=0",
        "version=100000000",
        "kerberos.removeHostFromPrincipal=true",
        "server.9=n9:1:2:observer",
    ] {
        let (key, _) = line.split_once('=').unwrap();
        for prefix in ["", "zookeeper."] {
            let message = error(&format!("{ENSEMBLE}{prefix}{line}\n"));
            assert!(message.starts_with(&format!("zoo.cfg:11: {prefix}{key}: ")), "{message}");
            assert!(message.contains("; expected "), "{message}");
        }
    }
}

#[test]
fn malformed_and_contradictory_values_are_refused() {
    for (line, reason) in [
        ("tickTime=-5", "is \"-5\"; expected a whole number of milliseconds, from 1"),
        ("tickTime=0", "is \"0\""),
        ("tickTime=2s", "is \"2s\""),
        ("tickTime=", "is \"\""),
        ("tickTime=2147483648", "is \"2147483648\""),
        ("initLimit=0", "ticks"),
        ("syncLimit=-1", "ticks"),
        ("snapCount=1", "from 2"),
        ("commitLogCount=x", "transactions"),
        ("jute.maxbuffer=100", "from 1024"),
        ("jute.maxbuffer=99999999999", "bytes"),
        ("maxClientCnxns=-1", "connections"),
        ("minSessionTimeout=-2", "milliseconds"),
        ("minSessionTimeout=50000", "the range is 50000 to 40000 ms, which is empty"),
        ("maxSessionTimeout=3000", "the range is 4000 to 3000 ms, which is empty"),
        ("clientPort=0", "no port"),
        ("clientPort=70000", "no port"),
        ("clientPortAddress=", "no host"),
        ("dataDir=", "is empty"),
        ("standaloneEnabled=yes", "true or false"),
        ("quorumListenOnAllIPs=1", "true or false"),
        ("server.1=n4:2888:3888", "server 1 is already on line 9"),
        ("server.01=n4:2888:3888", "server 1 is already on line 9"),
        ("server.4=n1:3888:2888", "server 1 has n1:3888 already"),
        ("server.x=n4:1:2", "no server number"),
        ("server.256=n4:1:2", "no server number"),
        ("server.-1=n4:1:2", "no server number"),
        ("server.4=n4:1", "right form"),
        ("a=\\u00", "damaged"),
    ] {
        let (key, _) = line.split_once('=').unwrap();
        let message = error(&format!("{ENSEMBLE}{line}\n"));
        assert!(message.starts_with(&format!("zoo.cfg:11: {key}: ")), "{line}: {message}");
        assert!(message.contains(reason), "{line}: {message}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (text, message) in [
        ("clientPort=1", "zoo.cfg: dataDir: is not set; expected a folder"),
        ("dataDir=/d", "zoo.cfg: clientPort: is not set; expected a port"),
        ("dataDir=/d\nclientPortAddress=::", "zoo.cfg:2: clientPortAddress: is set without"),
        ("dataDir=/d\nclientPort=1\nstandaloneEnabled=false", "zoo.cfg:3: standaloneEnabled: "),
    ] {
        assert!(error(text).starts_with(message), "{}", error(text));
    }
    for key in ["initLimit", "syncLimit"] {
        let text: String =
            ENSEMBLE.lines().filter(|l| !l.starts_with(key)).map(|l| format!("{l}\n")).collect();
        assert!(error(&text).starts_with(&format!("zoo.cfg: {key}: is not set")));
    }
}

#[test]
fn myid_says_who_the_server_is() {
    let config = read(ENSEMBLE);
    assert_eq!(config.with_myid(Some("3\n"), "d/myid"), Ok(ServerId(3)));
    for (text, message) in [
        (None, "d/myid: myid: the file is missing; expected a file that contains one of 1, 2, 3"),
        (Some("4"), "d/myid:1: myid: zoo.cfg has no line server.4; expected a file that contains"),
        (Some(""), "d/myid:1: myid: \"\" is no server number; expected a number from 0 to 255"),
        (Some("x1"), "d/myid:1: myid: \"x1\" is no server number"),
        (Some("-1"), "d/myid:1: myid: \"-1\" is no server number"),
        (Some("+1"), "d/myid:1: myid: \"+1\" is no server number"),
    ] {
        let found = config.with_myid(text, "d/myid").unwrap_err().to_string();
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn a_client_port_may_stand_on_the_server_line() {
    let text = "dataDir=/d\ninitLimit=5\nsyncLimit=2\nserver.1=a:1:2;127.0.0.1:2181\n\
        server.2=b:1:2;2182\nserver.3=c:1:2;2183\n";
    let config = read(text);
    let client = config.client(ServerId(1));
    assert_eq!((client.host.as_str(), client.port), ("127.0.0.1", 2181));
    let config = read(&format!("{text}clientPort=2182\n"));
    assert_eq!(config.with_myid(Some("2"), "myid"), Ok(ServerId(2)));
    let message = config.with_myid(Some("1"), "myid").unwrap_err().to_string();
    assert!(message.starts_with("zoo.cfg:4: server.1: its client port 2181 is not"), "{message}");
}

#[test]
fn a_comment_may_be_latin_1() {
    let mut bytes = b"# cl\xe9 du r\xe9seau\n".to_vec();
    bytes.extend_from_slice(ENSEMBLE.as_bytes());
    assert_eq!(decoded(bytes), format!("# cl\u{e9} du r\u{e9}seau\n{ENSEMBLE}"));
    assert_eq!(decoded("# é\n".as_bytes().to_vec()), "# é\n");
}

#[test]
fn bounds_are_read_and_have_apaches_defaults() {
    let with = |lines: &str| read(&format!("dataDir=/d\nclientPort=1\n{lines}")).bounds;
    assert_eq!(with(""), Bounds { unread_bytes_max: 128 << 20, bind_tries_max: Some(3) });
    assert_eq!(with("electionPortBindRetry=0").bind_tries_max, None);
    assert_eq!(with("zookeeper.electionPortBindRetry=9").bind_tries_max, Some(9));
    assert_eq!(with("unreadAnswersMaxBytes=1000000").unread_bytes_max, 1_000_000);
    let wrong = error("dataDir=/d\nclientPort=1\nelectionPortBindRetry=-1\n");
    assert!(wrong.contains("zoo.cfg:3") && wrong.contains("tries, 0 for no limit"), "{wrong}");
    let wrong = error("dataDir=/d\nclientPort=1\nunreadAnswersMaxBytes=0\n");
    assert!(wrong.contains("unreadAnswersMaxBytes"), "{wrong}");
}
