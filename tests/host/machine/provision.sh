# Runs once in a fresh root: the people of the tests and their keys.
set -eu
groupadd operators
for user in alice bob carol; do
    useradd -m -s /bin/bash "$user"
    echo "$user:password-of-$user" | chpasswd
done
echo 'alice ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/alice

# One key opens every account; the clients run as root inside the host.
install -d -m 0700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
for home in /root /home/alice /home/bob /home/carol; do
    install -d -m 0700 "$home/.ssh"
    cp /root/.ssh/id_ed25519.pub "$home/.ssh/authorized_keys"
    chown -R --reference="$home" "$home/.ssh"
done
{
    printf '127.0.0.1,[127.0.0.1]:2222 '
    cat /etc/ssh/ssh_host_ed25519_key.pub
} >/root/.ssh/known_hosts

# There for one scenario, which enables them.
pam-auth-update --disable pwquality sss

# Limits that protect a host from floods would refuse the storms before the module sees them.
# PerSourcePenalties (OpenSSH 9.8 and later) has scenarios of its own.
{
    echo 'KbdInteractiveAuthentication yes'
    echo 'PermitRootLogin yes'
    echo 'MaxStartups 300'
    if ssh -V 2>&1 | grep -q 'OpenSSH_[1-9][0-9]'; then echo 'PerSourcePenalties no'; fi
} >/etc/ssh/sshd_config.d/00-test.conf
# A scenario starts a getty more often than systemd holds for sane.
install -d /etc/systemd/system/container-getty@.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n' >/etc/systemd/system/container-getty@.service.d/test.conf
# Timers and downloads have no place in a measurement.
systemctl mask -q apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
    e2scrub_all.timer man-db.timer systemd-tmpfiles-clean.timer
# A scenario of its own starts it.
systemctl disable -q etcd
