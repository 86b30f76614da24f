#!/usr/bin/env bash
# Builds the programs of a Kubernetes cluster out of Debian's own source package, once: ten minutes. Nothing else is downloaded.
#   tests/kubernetes/build.sh        into $KUBERNETES_LAB/cp/bin (default ~/.cache/sbc-sim-lab)
set -euo pipefail
lab=${KUBERNETES_LAB:-$HOME/.cache/sbc-sim-lab}
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
wanted=(golang-go jq rsync gcc make libc6-dev dpkg-dev etcd-server etcd-client containerd runc containernetworking-plugins conntrack socat iptables iproute2 podman)

missing=()
for package in "${wanted[@]}"; do
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null

bin=$lab/cp/bin
there=true
for program in "${programs[@]}"; do [ -x "$bin/$program" ] || there=false; done
if $there; then exit 0; fi

echo "building Kubernetes from Debian's source: about ten minutes"
mkdir -p "$lab/src/apt/lists" "$lab/src/apt/cache" "$bin"
cd "$lab/src"
if ! compgen -G 'kubernetes-*/' >/dev/null; then   # by a configuration of its own: the machine's has no deb-src
    sed 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > apt/source.sources
    printf 'Dir::Etc::sourcelist "%s";\nDir::Etc::sourceparts "-";\nDir::State::lists "%s";\nDir::Cache "%s";\n' \
        "$PWD/apt/source.sources" "$PWD/apt/lists" "$PWD/apt/cache" > apt/apt.conf
    APT_CONFIG=$PWD/apt/apt.conf apt-get update -qq
    APT_CONFIG=$PWD/apt/apt.conf apt-get source -qq kubernetes
fi
cd kubernetes-*/
# Its reflect2 is older than Go 1.18, whose runtime wants the iterator of a map handed in: without this the API server crashes by chance.
reflect=vendor/github.com/modern-go/reflect2
if ! grep -q 'm unsafe.Pointer, it \*hiter' "$reflect/unsafe_link.go"; then
    sed -i 's/^func mapiterinit(rtype unsafe.Pointer, m unsafe.Pointer) \*hiter$/func mapiterinit(rtype unsafe.Pointer, m unsafe.Pointer, it *hiter)/
        /^type hiter struct {/,/^}/c type hiter struct {\n\tkey, value, t, h, buckets, bptr unsafe.Pointer\n\toverflow, oldoverflow *[]unsafe.Pointer\n\tstartBucket uintptr\n\toffset uint8\n\twrapped bool\n\tB, i uint8\n\tbucket, checkBucket uintptr\n}' \
        "$reflect/unsafe_link.go"
    sed -i 's/^\treturn &UnsafeMapIterator{$/\tvar it hiter\n\tmapiterinit(type2.rtype, *(*unsafe.Pointer)(obj), \&it)\n&/
        s/hiter:      mapiterinit(type2.rtype, \*(\*unsafe.Pointer)(obj)),/hiter:      \&it,/' "$reflect/unsafe_map.go"
fi
export HOME=$lab/src/home GOPATH=$PWD/.go GOCACHE=$lab/src/gocache GOFLAGS="" GO111MODULE=off GOPROXY=off GOLDFLAGS="-s -w"
mkdir -p "$HOME" .go/src/k8s.io
[ -L .go/src/k8s.io/kubernetes ] || ln -s ../../.. .go/src/k8s.io/kubernetes
for program in "${programs[@]}"; do
    [ -x "$bin/$program" ] && continue
    make WHAT="cmd/$program"
    install -m 755 "_output/bin/$program" "$bin/"
done
