// What open_model_files() refuses, and in which words.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "kvs/model_files.h"
#include "support/errors.h"
#include "support/model_bytes.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

namespace fs = std::filesystem;

class GgufRefusal : public ::testing::Test {
 protected:
  std::string message(const GgufBuilder& builder) {
    const std::string path = folder_.write("m.gguf", builder.bytes()).string();
    const Error e = error_of([&] { open_model_files(path); });
    EXPECT_EQ(e.kind(), ErrorKind::format);
    return std::string(e.what()).substr(folder_.path().string().size() + 1);
  }

  /// The message with one more pair or tensor in the file.
  template <typename Change>
  std::string changed(Change change) {
    GgufBuilder builder = tiny_gguf_metadata();
    add_tiny_tensors(builder);
    change(builder);
    return message(builder);
  }

  TemporaryFolder folder_;
};

TEST_F(GgufRefusal, IsNotForTheUnchangedModel) {
  GgufBuilder builder = tiny_gguf_metadata();
  const fs::path path = folder_.write("m.gguf", add_tiny_tensors(builder).bytes());

  EXPECT_EQ(open_model_files(path.string())->config().ffn, 6);
}

TEST_F(GgufRefusal, NamesTheArchitecture) {
  EXPECT_EQ(message(tiny_gguf_metadata("gemma3")),
            "m.gguf: architecture 'gemma3' is not supported, expected llama, qwen2, qwen3");
  EXPECT_EQ(message(GgufBuilder()), "m.gguf: metadata 'general.architecture' is missing");
}

TEST_F(GgufRefusal, NamesTheRopeType) {
  EXPECT_EQ(changed([](GgufBuilder& b) { b.text("llama.rope.scaling.type", "yarn"); }),
            "m.gguf: RoPE type 'yarn' is not supported, expected none or linear");
  EXPECT_EQ(
      changed([](GgufBuilder& b) { b.tensor("rope_factors_long.weight", {1}, 0, counting(1)); }),
      "m.gguf: RoPE type 'longrope' is not supported, expected none or linear");
  EXPECT_EQ(changed([](GgufBuilder& b) { b.number("llama.rope.dimension_count", 1); }),
            "m.gguf: metadata 'llama.rope.dimension_count' is 1, expected 2, the head dimension");
}

TEST_F(GgufRefusal, NamesFactorsThatDoNotFit) {
  EXPECT_EQ(changed([](GgufBuilder& b) { b.tensor("rope_freqs.weight", {2}, 0, counting(2)); }),
            "m.gguf: tensor 'rope_freqs.weight' has shape [2], expected [1]");
  EXPECT_EQ(changed([](GgufBuilder& b) { b.tensor("rope_freqs.weight", {1}, 0, counting(1)); }),
            "m.gguf: a RoPE frequency is inf, expected a positive number");
}

TEST_F(GgufRefusal, NamesMissingAndMisshapenTensors) {
  EXPECT_EQ(message(tiny_gguf_metadata()), "m.gguf: tensor 'token_embd.weight' is missing");
  EXPECT_EQ(changed([](GgufBuilder& b) { b.number("llama.vocab_size", 6); }),
            "m.gguf: tensor 'token_embd.weight' has shape [5, 4], expected [6, 4]");
}

TEST_F(GgufRefusal, NamesTensorsThatWouldBeIgnored) {
  EXPECT_EQ(changed([](GgufBuilder& b) { b.tensor("blk.0.ffn_up.bias", {6}, 0, counting(6)); }),
            "m.gguf: tensor 'blk.0.ffn_up.bias' has no place in a model of architecture llama");
}

TEST_F(GgufRefusal, NamesMixturesOfExperts) {
  EXPECT_EQ(changed([](GgufBuilder& b) { b.number("llama.expert_count", 8); }),
            "m.gguf: mixture of experts ('llama.expert_count') is not supported");
}

TEST_F(GgufRefusal, ComesForOnePartOfAModel) {
  EXPECT_EQ(changed([](GgufBuilder& b) { b.number("split.count", 3); }),
            "m.gguf: one of 3 parts of a model, expected a model in one file");
}

TEST_F(GgufRefusal, NamesAbsurdExtents) {
  GgufBuilder builder;
  builder.text("general.architecture", "llama").number("llama.block_count", 4294967295U);

  EXPECT_EQ(message(builder),
            "m.gguf: metadata 'llama.block_count' is 4294967295, expected 0 to 2147483647");
}

TEST_F(GgufRefusal, ComesForEveryTruncation) {
  GgufBuilder builder = tiny_gguf_metadata();
  const std::string bytes = add_tiny_tensors(builder).bytes();

  const fs::path path = folder_.write("t.gguf", bytes);
  for (size_t length = bytes.size(); length-- > 0;) {
    fs::resize_file(path, length);
    EXPECT_EQ(error_of([&] { open_model_files(path.string()); }).kind(), ErrorKind::format)
        << length;
  }
}

class DirectoryRefusal : public ::testing::Test {
 protected:
  DirectoryRefusal() : directory_(folder_.path() / "model") {
    fs::copy(KVS_TEST_DATA "/models/llama", directory_);
    std::ifstream in(directory_ / "config.json");
    std::stringstream text;
    text << in.rdbuf();
    config_ = Json::parse(text.str(), "config.json");
  }

  std::string message() {
    const Error e = error_of([&] { open_model_files(directory_.string()); });
    return std::string(e.what()).substr(folder_.path().string().size() + 1);
  }

  /// The message with one member of config.json set to this value.
  std::string with(std::string_view key, std::string_view value) {
    Json config = config_;
    config.set(key, Json::parse(value, "value"));
    folder_.write("model/config.json", config.dump());
    return message();
  }

  TemporaryFolder folder_;
  fs::path directory_;
  Json config_;
};

TEST_F(DirectoryRefusal, NamesTheArchitecture) {
  EXPECT_EQ(with("architectures", R"(["GPT2LMHeadModel"])"),
            "model/config.json: architecture 'GPT2LMHeadModel' is not supported, expected "
            "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM");
  EXPECT_EQ(with("architectures", "null"),
            "model/config.json: 'architectures' is missing or not a list of one name");
}

TEST_F(DirectoryRefusal, NamesTheRopeType) {
  EXPECT_EQ(with("rope_scaling", R"({"type":"dynamic","factor":2})"),
            "model/config.json: RoPE type 'dynamic' is not supported, expected default, linear or "
            "llama3");
  EXPECT_EQ(with("rope_parameters", R"({"rope_type":"longrope","rope_theta":1e4})"),
            "model/config.json: RoPE type 'longrope' is not supported, expected default, linear or "
            "llama3");
  EXPECT_EQ(with("rope_scaling", R"({"type":"linear"})"), "model/config.json: 'factor' is missing");
  EXPECT_EQ(with("rope_theta", "0"),
            "model/config.json: a RoPE frequency is inf, expected a positive number");
}

TEST_F(DirectoryRefusal, NamesOtherComputations) {
  EXPECT_EQ(with("hidden_act", R"("gelu")"),
            "model/config.json: activation 'gelu' is not supported, expected silu");
  EXPECT_EQ(with("mlp_bias", "true"), "model/config.json: 'mlp_bias' is true, expected false");
  EXPECT_EQ(with("partial_rotary_factor", "0.5"),
            "model/config.json: 'partial_rotary_factor' is 0.5, expected 1");
  EXPECT_EQ(with("quantization_config", "{}"),
            "model/config.json: 'quantization_config': quantised safetensors are not supported, "
            "expected F32, F16 or BF16 weights (or a GGUF file)");
}

TEST_F(DirectoryRefusal, NamesFieldsOfAnotherTypeOrSize) {
  EXPECT_EQ(with("hidden_size", R"("big")"),
            "model/config.json: 'hidden_size' is string, expected an integer");
  EXPECT_EQ(with("num_hidden_layers", "null"), "model/config.json: 'num_hidden_layers' is missing");
  EXPECT_EQ(with("head_dim", "2147483646"),
            "model/config.json: the head dimension is 2147483646, expected 1 to 4096");
  EXPECT_EQ(with("vocab_size", "1e3"),
            "model/config.json: 'vocab_size' is number, expected an integer");
}

TEST_F(DirectoryRefusal, NamesTensorsThatDoNotFitTheConfiguration) {
  EXPECT_EQ(with("vocab_size", "161"),
            "model/model.safetensors: tensor 'model.embed_tokens.weight' has shape [160, 36], "
            "expected [161, 36]");
  EXPECT_EQ(with("num_hidden_layers", "3"),
            "model/model.safetensors: tensor 'model.layers.2.input_layernorm.weight' is missing");
  EXPECT_EQ(
      with("num_hidden_layers", "1"),
      "model/model.safetensors: tensor 'model.layers.1.input_layernorm.weight' has no place in "
      "a model of architecture llama");
}

TEST_F(DirectoryRefusal, NamesMissingFiles) {
  fs::remove(directory_ / "model.safetensors");
  EXPECT_EQ(message(), "model: no model.safetensors and no model.safetensors.index.json");

  fs::remove(directory_ / "config.json");
  EXPECT_EQ(message(), "model: a folder without config.json");
}

TEST_F(DirectoryRefusal, ComesForAdapters) {
  folder_.write("model/adapter_config.json", "{}");

  EXPECT_EQ(
      message(),
      "model/adapter_config.json: adapters are not supported, expected a model they are merged "
      "into");
}

TEST_F(DirectoryRefusal, KeepsTheIndexInItsDirectory) {
  folder_.write("model/model.safetensors.index.json", R"({"weight_map":{"a":"../x"}})");
  EXPECT_EQ(
      message(),
      "model/model.safetensors.index.json: 'a' names the file '../x', expected one beside the "
      "index");

  folder_.write("model/model.safetensors.index.json", R"({"weight_map":{"a":"x.safetensors"}})");
  EXPECT_EQ(message(), "model/x.safetensors: No such file or directory");

  folder_.write("model/model.safetensors.index.json", R"({"weight_map":{}})");
  EXPECT_EQ(message(), "model/model.safetensors.index.json: 'weight_map' is empty");
}

TEST_F(DirectoryRefusal, ComesForASlidingWindowInSomeLayers) {
  config_.set("layer_types", Json::parse(R"(["sliding_attention","full_attention"])", "value"));

  EXPECT_EQ(
      with("sliding_window", "16"),
      "model/config.json: a sliding window in 1 of 2 layers is not supported, expected none or "
      "all");
}

TEST_F(DirectoryRefusal, NamesThePlaceWhereJsonBreaks) {
  folder_.write("model/config.json", "{\"a\": ");

  EXPECT_EQ(message(), "model/config.json: not valid JSON at byte 7");
}

}  // namespace
}  // namespace kvs::test
