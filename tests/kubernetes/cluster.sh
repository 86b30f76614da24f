#!/usr/bin/env bash
# A Kubernetes cluster on this machine: a control plane, and nodes that are network namespaces on one bridge. Root is needed.
#   cluster.sh up            etcd, API server, controllers, scheduler
#   cluster.sh node NAME N   a node at 10.79.0.N whose pods are in 10.81.N.0/24
#   cluster.sh image NAME I  podman's image I for a node
#   cluster.sh host NAME N   a host without Kubernetes at 10.79.0.N: where partners and databases are
#   cluster.sh down          everything away again, whatever state it is in
# State is in $KUBERNETES_LAB/cluster; programs of build.sh in $KUBERNETES_LAB/cp/bin.
set -euo pipefail
lab=${KUBERNETES_LAB:-$HOME/.cache/sbc-sim-lab}
bin=$lab/cp/bin
d=$lab/cluster
here=$(cd "$(dirname "$0")" && pwd)
kubectl=${KUBECTL:-kubectl}
gateway=10.79.0.254
prefix=sbcsim
bridge=sbcsim-k8s
groups="cpu cpuacct cpuset memory devices freezer blkio pids systemd"

# name, command ...: in the background, its output in name.log, its number in name.pid
begin() {
    local name=$1
    shift
    setsid "$@" >"$d/run/$name.log" 2>&1 </dev/null &
    echo $! >"$d/run/$name.pid"
}

certificate() {
    openssl req -newkey rsa:2048 -nodes -keyout "$d/pki/$1.key" -out "$d/pki/$1.csr" -subj "$2" 2>/dev/null
    openssl x509 -req -in "$d/pki/$1.csr" -CA "$d/pki/ca.crt" -CAkey "$d/pki/ca.key" -CAcreateserial -days 30 -out "$d/pki/$1.crt" \
        -extfile <(echo "subjectAltName=IP:127.0.0.1,IP:$gateway,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc") 2>/dev/null
}

up() {
    mkdir -p "$d/pki" "$d/run"
    { echo none; ip netns list | awk '{print $1}'; } >"$d/netns-before"
    ip link add "$bridge" type bridge
    ip addr add "$gateway/24" dev "$bridge"
    ip link set "$bridge" up
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$d/pki/ca.key" -out "$d/pki/ca.crt" -subj /CN=lab -days 30 2>/dev/null
    certificate apiserver /CN=kube-apiserver
    certificate admin /O=system:masters/CN=admin
    openssl genrsa -out "$d/pki/sa.key" 2048 2>/dev/null
    openssl rsa -in "$d/pki/sa.key" -pubout -out "$d/pki/sa.pub" 2>/dev/null
    cat >"$d/admin.conf" <<K
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://$gateway:16443", certificate-authority: $d/pki/ca.crt}}]
users: [{name: admin, user: {client-certificate: $d/pki/admin.crt, client-key: $d/pki/admin.key}}]
contexts: [{name: lab, context: {cluster: lab, user: admin}}]
current-context: lab
K
    begin etcd etcd --data-dir "$d/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:12379 \
        --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380 \
        --initial-advertise-peer-urls http://127.0.0.1:12380 --initial-cluster default=http://127.0.0.1:12380
    begin apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:12379 --bind-address=$gateway --secure-port=16443 \
        --advertise-address=$gateway --tls-cert-file="$d/pki/apiserver.crt" --tls-private-key-file="$d/pki/apiserver.key" \
        --client-ca-file="$d/pki/ca.crt" --service-cluster-ip-range=10.96.0.0/16 --service-account-issuer=https://kubernetes.default.svc \
        --service-account-signing-key-file="$d/pki/sa.key" --service-account-key-file="$d/pki/sa.pub" --authorization-mode=Node,RBAC \
        --kubelet-client-certificate="$d/pki/admin.crt" --kubelet-client-key="$d/pki/admin.key" \
        --kubelet-preferred-address-types=InternalIP,Hostname --allow-privileged=true --disable-admission-plugins=ServiceAccount
    for _ in $(seq 120); do
        "$kubectl" --kubeconfig "$d/admin.conf" get --raw /readyz >/dev/null 2>&1 && break
        sleep 0.5
    done
    "$kubectl" --kubeconfig "$d/admin.conf" get --raw /readyz >/dev/null
    begin controllers "$bin/kube-controller-manager" --kubeconfig="$d/admin.conf" --leader-elect=false --port=0 --secure-port=0 \
        --allocate-node-cidrs=false --service-account-private-key-file="$d/pki/sa.key" --root-ca-file="$d/pki/ca.crt" \
        --cluster-signing-cert-file="$d/pki/ca.crt" --cluster-signing-key-file="$d/pki/ca.key" --node-monitor-grace-period=20s
    begin scheduler "$bin/kube-scheduler" --kubeconfig="$d/admin.conf" --leader-elect=false --port=0 --secure-port=0
}

# A namespace with one leg on the bridge.
host() {
    local name=$1 number=$2
    ip netns add "$prefix-$name"
    ip link add "sbc-$name" type veth peer name eth0 netns "$prefix-$name"
    ip link set "sbc-$name" master "$bridge" up
    ip -n "$prefix-$name" addr add "10.79.0.$number/24" dev eth0
    ip -n "$prefix-$name" link set eth0 up
    ip -n "$prefix-$name" link set lo up
    ip -n "$prefix-$name" route add default via $gateway
}

inside() {   # nsenter, not `ip netns exec`: that mounts a fresh /sys without cgroups
    local name=$1
    shift
    nsenter --net="/run/netns/$prefix-$name" "$@"
}

# Pods of other nodes, by their nodes; this machine reaches all of them too.
routes() {
    local name=$1 number=$2 other
    ip route replace "10.81.$number.0/24" via "10.79.0.$number" dev "$bridge"
    for other in "$d"/*/number; do
        [ -f "$other" ] || continue
        inside "$name" ip route replace "10.81.$(cat "$other").0/24" via "10.79.0.$(cat "$other")"
        inside "$(basename "$(dirname "$other")")" ip route replace "10.81.$number.0/24" via "10.79.0.$number"
    done
    echo "$number" >"$d/$name/number"
}

node_files() {
    local name=$1 number=$2 n=$d/$1
    cat >"$n/cni/10-lab.conflist" <<C
{"cniVersion":"0.4.0","name":"lab","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","dataDir":"$n/ipam",
  "ranges":[[{"subnet":"10.81.$number.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
C
    cat >"$n/containerd.toml" <<C
version = 2
root = "$n/images"
state = "$n/run/containerd"
oom_score = 0
[grpc]
  address = "$n/run/containerd.sock"
[ttrpc]
  address = "$n/run/containerd-ttrpc.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:lab"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$n/cni"
C
    cat >"$n/kubelet.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $d/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$prefix-$name
failSwapOn: false
makeIPTablesUtilChains: true
nodeStatusUpdateFrequency: 4s
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
clusterDomain: cluster.local
C
}

node() {
    local name=$1 number=$2 n=$d/$1
    mkdir -p "$n"/{cni,run,kubelet}
    host "$name" "$number"
    inside "$name" sysctl -qw net.ipv4.ip_forward=1
    routes "$name" "$number"
    node_files "$name" "$number"
    local c
    for c in $groups; do mkdir -p "/sys/fs/cgroup/$c/$prefix-$name"; done
    cat /sys/fs/cgroup/cpuset/cpuset.cpus >"/sys/fs/cgroup/cpuset/$prefix-$name/cpuset.cpus"
    cat /sys/fs/cgroup/cpuset/cpuset.mems >"/sys/fs/cgroup/cpuset/$prefix-$name/cpuset.mems"
    begin "$name-containerd" nsenter --net="/run/netns/$prefix-$name" containerd -c "$n/containerd.toml"
    for _ in $(seq 100); do
        ctr -a "$n/run/containerd.sock" version >/dev/null 2>&1 && break
        sleep 0.2
    done
    image "$name" localhost/pause:lab
    begin "$name-kubelet" nsenter --net="/run/netns/$prefix-$name" "$bin/kubelet" --config="$n/kubelet.yaml" --kubeconfig="$d/admin.conf" \
        --root-dir="$n/kubelet" --cert-dir="$n/pki" --hostname-override="$name" --node-ip="10.79.0.$number" --container-runtime=remote \
        --container-runtime-endpoint="unix://$n/run/containerd.sock" --image-service-endpoint="unix://$n/run/containerd.sock" --v=2
    begin "$name-proxy" nsenter --net="/run/netns/$prefix-$name" "$bin/kube-proxy" --kubeconfig="$d/admin.conf" --hostname-override="$name" \
        --proxy-mode=iptables --cluster-cidr=10.81.0.0/16 --conntrack-max-per-core=0 --conntrack-min=0 --conntrack-tcp-timeout-established=0s \
        --conntrack-tcp-timeout-close-wait=0s --healthz-bind-address=127.0.0.1:10256 --metrics-bind-address=127.0.0.1:10249
}

# The container that holds a pod's network: it waits.
pause_image() {
    podman image exists localhost/pause:lab && return
    local folder
    folder=$(mktemp -d)
    echo '#include <unistd.h>
int main(void) { for (;;) pause(); }' >"$folder/pause.c"
    gcc -static -O2 -o "$folder/pause" "$folder/pause.c"
    tar -C "$folder" -c pause | podman import --change 'ENTRYPOINT ["/pause"]' - localhost/pause:lab >/dev/null
    rm -rf "$folder"
}

image() {
    if [ "$2" = localhost/pause:lab ]; then pause_image; fi
    podman save --quiet --format docker-archive "$2" | ctr -a "$d/$1/run/containerd.sock" -n k8s.io images import - >/dev/null
}

stop() {   # pid files: each process and what it started
    local file
    for file in "$@"; do
        [ -f "$file" ] || continue
        kill "$(cat "$file")" 2>/dev/null || true
        rm -f "$file"
    done
}

down() {
    [ -d "$d" ] || { leftovers; return 0; }
    local n name socket task
    stop "$d"/run/*-kubelet.pid "$d"/run/*-proxy.pid
    for n in "$d"/*/containerd.toml; do
        [ -f "$n" ] || continue
        name=$(basename "$(dirname "$n")")
        socket=$d/$name/run/containerd.sock
        for task in $(timeout 10 ctr -a "$socket" -n k8s.io tasks ls -q 2>/dev/null); do
            timeout 10 ctr -a "$socket" -n k8s.io tasks kill -s KILL "$task" 2>/dev/null || true
        done
    done
    stop "$d"/run/*-containerd.pid "$d/run/scheduler.pid" "$d/run/controllers.pid" "$d/run/apiserver.pid" "$d/run/etcd.pid"
    sleep 1
    # The shims of containerd outlive it; theirs is told by its socket.
    local pid
    for pid in $(pgrep -f "containerd-shim-runc-v2 .*$d/" || true); do kill "$pid" 2>/dev/null || true; done
    for _ in 1 2 3; do grep -F " $d/" /proc/mounts | awk '{print $2}' | sort -r | xargs -r -n1 umount -l 2>/dev/null || true; done
    leftovers
    rm -rf "$d"
}

leftovers() {
    local c name
    for name in $(ip netns list | awk '{print $1}' | grep "^$prefix-" || true); do ip netns del "$name"; done
    ip link del "$bridge" 2>/dev/null || true
    for c in $groups unified; do
        for name in /sys/fs/cgroup/"$c"/"$prefix"-*; do
            [ -d "$name" ] && find "$name" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done
    done
    # Networks of pods that ended with their node: those that were not there before the cluster.
    if [ -f "$d/netns-before" ]; then
        for name in $(ip netns list | awk '{print $1}' | grep '^cni-' | grep -vxFf "$d/netns-before" || true); do ip netns del "$name"; done
    fi
}

"$@"
