#!/bin/sh
# A cluster on this machine with Kubeflow Pipelines and KServe as released, and the end-to-end tests on it.
#
#   tests/e2e/kind.sh up                 the cluster: Kubeflow Pipelines, KServe with the Gateway API and Knative
#   tests/e2e/kind.sh images             Penstock's images, built from this checkout and loaded into it
#   tests/e2e/kind.sh test [WORDS]       make e2e; the words go to pytest
#   tests/e2e/kind.sh look               what is wrong there: pods that do not run, and the last events
#   tests/e2e/kind.sh down
#
# It takes Docker, kubectl, helm, curl and make.
set -eu

KIND_VERSION=v0.33.0
KIND_SHA256=aee6151561422756b764a4ae28e7f44cda5af5a9eead3cc9985112b1de8d8e0d
NODE=kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d
# 2.17.0, by its commit
KFP=4a3592cb2dd0a91a4652ab93893ec8beda1f3158
KSERVE_VERSION=${KSERVE_VERSION:-v0.20.0}
CERT_MANAGER_VERSION=v1.21.1
ENVOY_VERSION=v1.8.1
KNATIVE_VERSION=1.21.1

CLUSTER=penstock-e2e
# Knative does not ask a registry for the digests of kind.local's images.
REGISTRY=kind.local/penstock
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/penstock
PLACE=$CACHE/e2e
KUBECONFIG=$PLACE/kubeconfig
export KUBECONFIG

cd "$(dirname "$0")/../.."
mkdir -p "$PLACE" "$CACHE/bin"

kind() {
	binary=$CACHE/bin/kind-$KIND_VERSION
	if [ ! -x "$binary" ]; then
		[ "$(uname -sm)" = "Linux x86_64" ] || { command kind "$@"; return; }
		curl -fsSL --retry 3 -o "$binary.partial" "https://github.com/kubernetes-sigs/kind/releases/download/$KIND_VERSION/kind-linux-amd64"
		echo "$KIND_SHA256  $binary.partial" | sha256sum --check --quiet
		chmod +x "$binary.partial"
		mv "$binary.partial" "$binary"
	fi
	"$binary" "$@"
}

chart() { # NAME NAMESPACE CHART [VERSION [VALUES]]
	helm upgrade --install "$1" "$3" --namespace "$2" --create-namespace ${4:+--version "$4"} --values "${5:-/dev/null}" --wait --timeout 10m
}

up() {
	kind get clusters | grep -qx "$CLUSTER" || kind create cluster --name "$CLUSTER" --image "$NODE" --kubeconfig "$KUBECONFIG" --wait 5m
	kubeflow
	standard
	knative
	kserve
	kubectl wait --namespace kubeflow --for=condition=Available --timeout=15m deployment --all
}

kubeflow() {
	at=https://github.com/kubeflow/pipelines
	kubectl apply -k "$at/manifests/kustomize/cluster-scoped-resources?ref=$KFP"
	kubectl wait --for=condition=established --timeout=60s crd/applications.app.k8s.io
	kubectl apply -k "$at/manifests/kustomize/env/platform-agnostic?ref=$KFP"
	# It lets in nobody but Kubeflow's own namespaces; the models' pods read from the same store.
	kubectl delete networkpolicy seaweedfs --namespace kubeflow --ignore-not-found
	kubectl create secret generic penstock-e2e-bucket --namespace kubeflow --dry-run=client --output yaml \
		--from-literal=AWS_ACCESS_KEY_ID=minio --from-literal=AWS_SECRET_ACCESS_KEY=minio123 \
		--from-literal=AWS_ENDPOINT_URL_S3=http://seaweedfs.kubeflow:9000 | kubectl apply -f -
}

standard() {
	chart eg envoy-gateway-system oci://docker.io/envoyproxy/gateway-helm "$ENVOY_VERSION"
	kubectl create namespace kserve --dry-run=client --output yaml | kubectl apply -f -
	kubectl apply -f - <<-END
		apiVersion: gateway.envoyproxy.io/v1alpha1
		kind: EnvoyProxy
		metadata: {name: kserve, namespace: envoy-gateway-system}
		spec: {provider: {type: Kubernetes, kubernetes: {envoyService: {name: kserve-ingress-gateway, type: ClusterIP}}}}
		---
		apiVersion: gateway.networking.k8s.io/v1
		kind: GatewayClass
		metadata: {name: envoy}
		spec:
		  controllerName: gateway.envoyproxy.io/gatewayclass-controller
		  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: kserve, namespace: envoy-gateway-system}
		---
		apiVersion: gateway.networking.k8s.io/v1
		kind: Gateway
		metadata: {name: kserve-ingress-gateway, namespace: kserve}
		spec:
		  gatewayClassName: envoy
		  infrastructure: {labels: {serving.kserve.io/gateway: kserve-ingress-gateway}}
		  listeners: [{name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}]
	END
}

knative() {
	chart knative-operator knative-operator \
		"https://github.com/knative/operator/releases/download/knative-v$KNATIVE_VERSION/knative-operator-v$KNATIVE_VERSION.tgz"
	kubectl create namespace knative-serving --dry-run=client --output yaml | kubectl apply -f -
	kubectl apply -f - <<-END
		apiVersion: operator.knative.dev/v1beta1
		kind: KnativeServing
		metadata: {name: knative-serving, namespace: knative-serving}
		spec:
		  version: "$KNATIVE_VERSION"
		  ingress: {kourier: {enabled: true, service-type: ClusterIP}}
		  config:
		    network: {ingress-class: kourier.ingress.networking.knative.dev}
		    domain: {example.com: ""}
	END
	kubectl wait --namespace knative-serving --for=condition=Ready --timeout=10m knativeserving/knative-serving
}

kserve() {
	printf 'crds: {enabled: true}\n' > "$PLACE/cert-manager.yaml"
	chart cert-manager cert-manager oci://quay.io/jetstack/charts/cert-manager "$CERT_MANAGER_VERSION" "$PLACE/cert-manager.yaml"
	cat > "$PLACE/kserve.yaml" <<-END
		kserve:
		  controller:
		    deploymentMode: Standard
		    gateway:
		      domain: example.com
		      disableIstioVirtualHost: true
		      ingressGateway: {enableGatewayApi: true, kserveGateway: kserve/kserve-ingress-gateway, className: envoy}
	END
	chart kserve-crd kserve oci://ghcr.io/kserve/charts/kserve-crd "$KSERVE_VERSION"
	chart kserve kserve oci://ghcr.io/kserve/charts/kserve-resources "$KSERVE_VERSION" "$PLACE/kserve.yaml"
}

images() {
	make sdk
	version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' penstock/__init__.py)
	for family in tfdv tf deploy serve; do
		PENSTOCK_CONTAINER_ENGINE=docker .venv/bin/penstock images build --family "$family" --registry "$REGISTRY"
	done
	# There is no GPU here: what is compiled for one runs on what there is.
	docker tag "$REGISTRY/penstock-tf:$version" "$REGISTRY/penstock-tf-gpu:$version"
	for family in tfdv tf tf-gpu deploy serve; do
		kind load docker-image --name "$CLUSTER" "$REGISTRY/penstock-$family:$version"
	done
}

forward() { # NAMESPACE SERVICE PORTS
	while :; do
		kubectl port-forward --namespace "$1" "service/$2" "$3" > /dev/null 2>&1 || sleep 1
	done &
	forwards="$forwards $!"
}

test_() {
	forwards= each=
	trap 'for each in $forwards; do pkill -P "$each" || true; kill "$each" || true; done' EXIT
	trap 'exit 130' INT TERM
	forward kubeflow ml-pipeline 8888:8888
	forward kubeflow seaweedfs 9000:9000
	forward envoy-gateway-system kserve-ingress-gateway 8081:80
	forward knative-serving kourier 8082:80
	printf '[contexts.kubeflow]\ntarget = "kubeflow"\nhost = "http://localhost:8888"\nplatform = "platform.yaml"\n' > "$PLACE/penstock.toml"
	printf 'defaults: {environment_secrets: {penstock-e2e-bucket: [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3]}}\n' \
		> "$PLACE/platform.yaml"
	AWS_ACCESS_KEY_ID=minio AWS_SECRET_ACCESS_KEY=minio123 AWS_ENDPOINT_URL_S3=http://localhost:9000 \
		PENSTOCK_E2E_S3_ENDPOINT=http://seaweedfs.kubeflow:9000 \
		PENSTOCK_E2E_BUCKET=minio://mlpipeline PENSTOCK_E2E_PIPELINE_ROOT=minio://mlpipeline \
		PENSTOCK_E2E_CONTEXT_FILE="$PLACE/penstock.toml" PENSTOCK_E2E_REGISTRY="$REGISTRY" \
		PENSTOCK_E2E_GATEWAY=http://localhost:8081 PENSTOCK_E2E_KNATIVE_GATEWAY=http://localhost:8082 \
		make e2e ARGS="$*"
}

look() {
	kubectl get pods --all-namespaces --field-selector=status.phase!=Running,status.phase!=Succeeded
	kubectl get events --all-namespaces --sort-by=.lastTimestamp | tail -50
}

down() {
	kind delete cluster --name "$CLUSTER" --kubeconfig "$KUBECONFIG"
}

case "${1:-}" in
	up | images | look | down) "$1" ;;
	test) shift; test_ "$@" ;;
	*) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
