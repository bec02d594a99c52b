// Writes what the fuzzers start from into FOLDER/archive, gguf and safetensors.
#include <cstdio>
#include <filesystem>

#include "kvs/gguf.h"
#include "support/archive_sample.h"
#include "support/model_bytes.h"

namespace kvs::test {
namespace {

namespace fs = std::filesystem;

void write_archives(const fs::path& folder) {
  for (const KvCodec codec : {KvCodec::raw, KvCodec::shuffle, KvCodec::q8, KvCodec::q4})
    for (const bool table : {false, true})
      write_sample(folder / fmt::format("{}-{}.kva", codec_name(codec), table), codec,
                   {.table = table});
  for (const DType type : {DType::bf16, DType::f32, DType::q8}) {
    const ArchiveHeader header = sample_header(type);
    ArchiveWriter writer(folder / fmt::format("{}.kva", dtype_name(type)), header);
    for (const uint32_t seed : {1, 2}) {
      if (seed == 2) writer.next_member(header);
      const KvRecord kv = sample_kv(header, seed);
      writer.add(kv);
      writer.add(sample_prompt("p", kv));
    }
    writer.finish();
  }
}

void write_models(const fs::path& data, const fs::path& folder) {
  for (const std::string_view architecture : {"llama", "qwen2", "qwen3"}) {
    GgufBuilder builder = tiny_gguf_metadata(architecture);
    write_bytes(folder / fmt::format("tiny-{}.gguf", architecture),
                add_tiny_tensors(builder).bytes());
  }
  // Without the tensors' data, which the fuzzer appends.
  for (const std::string_view model : {"llama", "llama-linear", "llama-llama3", "qwen2", "qwen3"}) {
    const GgufFile file(data / "models" / model / "model.gguf");
    write_bytes(folder / fmt::format("{}.gguf", model), file.header_bytes());
  }
}

void write_tensors(const fs::path& folder) {
  write_bytes(folder / "small.safetensors",
              safetensors_bytes(R"({"__metadata__":{"format":"pt"},)"
                                R"("b":{"dtype":"F16","shape":[2],"data_offsets":[24,28]},)"
                                R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                                R"("ids":{"dtype":"I64","shape":[1],"data_offsets":[28,36]},)"
                                R"("none":{"dtype":"BF16","shape":[0],"data_offsets":[36,36]}})",
                                std::string(36, 'd')));
}

}  // namespace
}  // namespace kvs::test

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const std::filesystem::path data = argv[1], folder = argv[2];
    for (const char* name : {"archive", "gguf", "safetensors"})
      std::filesystem::create_directories(folder / name);
    kvs::test::write_archives(folder / "archive");
    kvs::test::write_models(data, folder / "gguf");
    kvs::test::write_tensors(folder / "safetensors");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "seed_writer: %s\n", error.what());
    return 1;
  }
}
