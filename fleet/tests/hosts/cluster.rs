//! Three members of etcd, which speak TLS and ask for certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::eventually;
use crate::lab::Lab;

pub const MEMBERS: usize = 3;

/// Certificates of one authority.
pub struct Authority {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
    directory: PathBuf,
}

impl Authority {
    pub fn new(directory: &Path) -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(directory.join("ca.pem"), certificate.pem()).unwrap();
        Self { certificate, key, directory: directory.to_owned() }
    }

    /// Makes `NAME.pem` and `NAME.key`.
    pub fn issue(&self, name: &str, addresses: Vec<String>) {
        let mut params = rcgen::CertificateParams::new(addresses).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        // etcd's gateway is a client of its own member, with the same certificate.
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        let path = self.path(&format!("{name}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// The members; node N of the lab has member N.
pub struct Cluster {
    pub authority: Authority,
    members: Vec<Option<Child>>,
    directory: PathBuf,
}

impl Cluster {
    pub fn start(lab: &Lab, directory: &Path) -> Self {
        let authority = Authority::new(directory);
        authority.issue("agent", vec![]);
        for member in 0..MEMBERS {
            authority
                .issue(&format!("etcd{member}"), vec![Lab::address(member), "127.0.0.1".into()]);
        }
        let members = (0..MEMBERS).map(|_| None).collect();
        let mut cluster = Self { authority, members, directory: directory.to_owned() };
        for member in 0..MEMBERS {
            cluster.start_member(lab, member);
        }
        let began = std::time::Instant::now();
        while !cluster.ctl(lab, 0, &["endpoint", "health"]) {
            if began.elapsed() > Duration::from_secs(20) {
                for member in 0..MEMBERS {
                    eprintln!(
                        "{}",
                        fs::read_to_string(directory.join(format!("etcd{member}.log"))).unwrap()
                    );
                }
                panic!("no cluster of etcd");
            }
        }
        cluster
    }

    pub fn start_member(&mut self, lab: &Lab, member: usize) {
        let address = Lab::address(member);
        let peers: Vec<String> = (0..MEMBERS)
            .map(|member| format!("etcd{member}=http://{}:2380", Lab::address(member)))
            .collect();
        let own = |name: &str| self.authority.path(name).display().to_string();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join(format!("etcd{member}.log")))
            .unwrap();
        let child = lab
            .node(member)
            .command("nice")
            // It has hosts of its own elsewhere.
            .args(["-n", "-10", "etcd", "--name", &format!("etcd{member}")])
            .arg("--data-dir")
            .arg(self.data(member))
            .args(["--listen-client-urls", &format!("https://{address}:2379")])
            .args(["--advertise-client-urls", &format!("https://{address}:2379")])
            .args(["--listen-peer-urls", &format!("http://{address}:2380")])
            .args(["--initial-advertise-peer-urls", &format!("http://{address}:2380")])
            .args(["--initial-cluster", &peers.join(",")])
            .args(["--client-cert-auth", "--trusted-ca-file", &own("ca.pem")])
            .args(["--cert-file", &own(&format!("etcd{member}.pem"))])
            .args(["--key-file", &own(&format!("etcd{member}.key"))])
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.members[member] = Some(child);
    }

    pub fn data(&self, member: usize) -> PathBuf {
        self.directory.join(format!("etcd{member}"))
    }

    /// Runs etcdctl against one member; returns whether it succeeded.
    pub fn ctl(&self, lab: &Lab, member: usize, words: &[&str]) -> bool {
        self.ctl_output(lab, member, words).is_some()
    }

    /// The same; returns its output.
    pub fn ctl_output(&self, lab: &Lab, member: usize, words: &[&str]) -> Option<String> {
        let own = |name: &str| self.authority.path(name).display().to_string();
        let output = lab
            .node(member)
            .command("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &format!("https://{}:2379", Lab::address(member))])
            .args([
                "--cacert",
                &own("ca.pem"),
                "--cert",
                &own("agent.pem"),
                "--key",
                &own("agent.key"),
            ])
            .args(["--command-timeout", "1s"])
            .args(words)
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// The member that leads.
    pub fn leader(&self, lab: &Lab) -> usize {
        let leads = |member: usize| {
            let status = self.ctl_output(lab, member, &["endpoint", "status"]);
            status.is_some_and(|line| line.split(", ").nth(4) == Some("true"))
        };
        (0..MEMBERS).find(|&member| leads(member)).expect("a leader")
    }

    pub fn pid(&self, member: usize) -> i32 {
        self.members[member].as_ref().unwrap().id().try_into().unwrap()
    }

    pub fn signal(&self, member: usize, signal: &str) {
        let status = std::process::Command::new("kill")
            .args([format!("-{signal}"), self.pid(member).to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    pub fn kill(&mut self, member: usize) {
        if let Some(mut child) = self.members[member].take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until the members agree again.
    pub fn settled(&self, lab: &Lab) {
        for member in 0..MEMBERS {
            eventually("the member is healthy", Duration::from_secs(20), || {
                self.ctl(lab, member, &["endpoint", "health"])
            });
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..MEMBERS).for_each(|member| self.kill(member));
    }
}
