//! The ports that no request goes to.
//!
//! An address check does not stop a public mail server or database from being talked to in HTTP.
//! Such services answer on well-known ports, where no receiver of webhooks does; the rest stays
//! open, the ports that a test gets from the operating system among them.

/// The ports that browsers refuse, and their services, from the Fetch standard's
/// [port blocking](https://fetch.spec.whatwg.org/#port-blocking): services that act on the lines
/// of a text they only half understand.
static BROWSERS: &[(u16, &str)] = &[
    (1, "tcpmux"),
    (7, "echo"),
    (9, "discard"),
    (11, "systat"),
    (13, "daytime"),
    (15, "netstat"),
    (17, "qotd"),
    (19, "chargen"),
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (37, "time"),
    (42, "name"),
    (43, "nicname"),
    (53, "domain"),
    (69, "tftp"),
    (77, "priv-rjs"),
    (79, "finger"),
    (87, "ttylink"),
    (95, "supdup"),
    (101, "hostname"),
    (102, "iso-tsap"),
    (103, "gppitnp"),
    (104, "acr-nema"),
    (109, "pop2"),
    (110, "pop3"),
    (111, "sunrpc"),
    (113, "auth"),
    (115, "sftp"),
    (117, "uucp-path"),
    (119, "nntp"),
    (123, "ntp"),
    (135, "epmap"),
    (137, "netbios-ns"),
    (139, "netbios-ssn"),
    (143, "imap"),
    (161, "snmp"),
    (179, "bgp"),
    (389, "ldap"),
    (427, "svrloc"),
    (465, "submissions"),
    (512, "exec"),
    (513, "login"),
    (514, "shell"),
    (515, "printer"),
    (526, "tempo"),
    (530, "courier"),
    (531, "chat"),
    (532, "netnews"),
    (540, "uucp"),
    (548, "afp"),
    (554, "rtsp"),
    (556, "remotefs"),
    (563, "nntps"),
    (587, "submission"),
    (601, "syslog-conn"),
    (636, "ldaps"),
    (989, "ftps-data"),
    (990, "ftps"),
    (993, "imaps"),
    (995, "pop3s"),
    (1719, "h323gatestat"),
    (1720, "h323hostcall"),
    (1723, "pptp"),
    (2049, "nfs"),
    (3659, "apple-sasl"),
    (4045, "npp"),
    (4190, "sieve"),
    (5060, "sip"),
    (5061, "sips"),
    (6000, "x11"),
    (6566, "sane-port"),
    (6665, "ircu"),
    (6666, "ircu"),
    (6667, "ircu"),
    (6668, "ircu"),
    (6669, "ircu"),
    (6679, "osaut"),
    (6697, "ircs-u"),
    (10080, "amanda"),
];

/// Databases, queues and cluster controls, which browsers reach and requests from a data centre
/// should not: most are left without a password, behind a firewall that trusts the sender.
static INFRASTRUCTURE: &[(u16, &str)] = &[
    (445, "SMB"),
    (1433, "SQL Server"),
    (1521, "Oracle Database"),
    (2375, "the Docker API"),
    (2376, "the Docker API"),
    (2379, "etcd"),
    (3306, "MySQL"),
    (3389, "RDP"),
    (5432, "PostgreSQL"),
    (5672, "AMQP"),
    (6379, "Redis"),
    (9092, "Kafka"),
    (9200, "Elasticsearch"),
    (10250, "kubelet"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

/// The service that answers on a port that no request goes to; `None` if requests may.
pub(crate) fn refused(port: u16) -> Option<&'static str> {
    all().find_map(|(refused, service)| (refused == port).then_some(service))
}

/// Every refused port and its service.
pub(super) fn all() -> impl Iterator<Item = (u16, &'static str)> {
    BROWSERS.iter().chain(INFRASTRUCTURE).copied()
}
