#!/bin/sh
# Takes away what no component imports or loads; packages that go whole leave no trace for an SBOM: sh trim.sh VIRTUALENV FAMILY
set -e
cd "$1"/lib/python3.*/site-packages
# headers for building ops; the parser that TensorFlow's own build uses
rm -rf tensorflow/include clang libclang-*.dist-info
# Beam's extra for Google Cloud brings Vertex AI's client, which only the deploy family uses
[ "$2" = deploy ] || rm -rf google/cloud/aiplatform* vertexai agentplatform google_cloud_aiplatform-*.dist-info
# the pages of MLflow and TensorBoard; what completes words in a notebook
rm -rf mlflow/server/js tensorboard_data_server tensorboard_data_server-*.dist-info jedi jedi-*.dist-info
# test suites that the wheels carry
rm -rf pandas/tests numpy/*/tests scipy/*/tests sklearn/*/tests pyarrow/tests google/genai/tests matplotlib/tests psutil/tests
# C and C++ that was compiled, or is there for others to compile against
rm -rf pyarrow/include pyarrow/src numpy/_core/include nvidia/*/include
find . -name '*.a' -delete
# TensorFlow's symbols, which only a debugger reads; other wheels' libraries were patched, and stripping may break them
for library in tensorflow/libtensorflow_*.so.*; do
    [ ! -e "$library" ] || strip --strip-unneeded "$library"
done
