package main

import (
	"context"
	"encoding/json"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"
	podregistry "k8s.io/kubernetes/pkg/registry/core/pod"

	// Each of these registers the types and the defaults of its group.
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/resource/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
)

// clusterScoped are the kinds without a namespace among those that kube-scheduler watches.
var clusterScoped = sets.New("Node", "Namespace", "PersistentVolume", "StorageClass", "CSINode", "CSIDriver",
	"VolumeAttachment", "PriorityClass", "ResourceSlice", "DeviceClass", "DeviceTaintRule")

// loadObjects decodes objects and gives each what the API server gives it at creation.
func loadObjects(raw []json.RawMessage) ([]runtime.Object, error) {
	decoder := legacyscheme.Codecs.UniversalDeserializer()
	objects := make([]runtime.Object, 0, len(raw))
	for i, text := range raw {
		object, kind, err := decoder.Decode(text, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
		if err := identify(object, kind.Kind); err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
		legacyscheme.Scheme.Default(object)
		if pod, ok := object.(*v1.Pod); ok {
			if object, err = createdPod(pod); err != nil {
				return nil, fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
			}
			object.GetObjectKind().SetGroupVersionKind(*kind)
		}
		if object, err = stored(object, kind); err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// stored passes an object through its written form, as an API server stores and sends it. Quantities come back canonical and
// held by value; one that is held as a big decimal would be shared with kube-scheduler's sums, which would add to the pod's own.
func stored(object runtime.Object, kind *schema.GroupVersionKind) (runtime.Object, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	again, _, err := legacyscheme.Codecs.UniversalDeserializer().Decode(text, kind, nil)
	return again, err
}

// identify fills in namespace and uid: kube-scheduler's cache and its nominator are keyed by uid.
func identify(object runtime.Object, kind string) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if accessor.GetName() == "" {
		return fmt.Errorf("a %s without a name", kind)
	}
	if accessor.GetNamespace() == "" && !clusterScoped.Has(kind) {
		accessor.SetNamespace(v1.NamespaceDefault)
	}
	if accessor.GetUID() == "" {
		accessor.SetUID(types.UID(kind + "/" + accessor.GetNamespace() + "/" + accessor.GetName()))
	}
	return nil
}

// createdPod passes a pod through the API server's create strategy, which merges matchLabelKeys into selectors. The
// strategy starts every pod with an empty status, so the given one is put back.
func createdPod(pod *v1.Pod) (*v1.Pod, error) {
	internal := &core.Pod{}
	if err := legacyscheme.Scheme.Convert(pod, internal, nil); err != nil {
		return nil, err
	}
	podregistry.Strategy.PrepareForCreate(context.Background(), internal)
	created := &v1.Pod{}
	if err := legacyscheme.Scheme.Convert(internal, created, nil); err != nil {
		return nil, err
	}
	created.Status = pod.Status
	if created.Status.Phase == "" {
		created.Status.Phase = v1.PodPending
	}
	return created, nil
}

// watched tells whether kube-scheduler's informers would ever see the object: its pod informer asks the API server for
// pods that are not yet terminal, a field selector that the fake clientset does not know.
func watched(object runtime.Object) bool {
	pod, ok := object.(*v1.Pod)
	return !ok || (pod.Status.Phase != v1.PodSucceeded && pod.Status.Phase != v1.PodFailed)
}
