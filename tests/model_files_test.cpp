#include "kvs/model_files.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "kvs/gguf.h"
#include "support/errors.h"
#include "support/model_bytes.h"
#include "support/temporary_folder.h"
#include "support/weight_values.h"

namespace kvs::test {
namespace {

const std::string kModels = KVS_TEST_DATA "/models/";

TEST(ModelFiles, ReadsTheShapeOfAGguf) {
  const auto model = open_model_files(KVS_TEST_DATA "/stories260K.gguf");
  const ModelConfig& config = model->config();

  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.layers, 5);
  EXPECT_EQ(config.hidden, 64);
  EXPECT_EQ(config.heads, 8);
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.ffn, 172);
  EXPECT_EQ(config.vocab, 512);
  EXPECT_EQ(config.context, 2048);
  EXPECT_FLOAT_EQ(config.norm_eps, 1e-5F);
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_FALSE(config.tied_embeddings);
  EXPECT_FALSE(config.attention_bias);
}

struct Directory {
  const char* name;
  const char* architecture;
  int head_dim;
  Rope::Scaling scaling;
  bool attention_bias;
  bool output_bias;
  bool qk_norm;
  bool tied;
  int window;
};

class HfDirectory : public ::testing::TestWithParam<Directory> {};

TEST_P(HfDirectory, IsReadWithTheSwitchesOfItsFamily) {
  const Directory& expected = GetParam();

  const ModelConfig config = open_model_files(kModels + expected.name)->config();

  EXPECT_EQ(config.architecture, expected.architecture);
  EXPECT_EQ(config.layers, 2);
  EXPECT_EQ(config.context, 256);
  EXPECT_EQ(config.head_dim, expected.head_dim);
  EXPECT_EQ(config.rope.inverse_frequencies.size(), static_cast<size_t>(expected.head_dim) / 2);
  EXPECT_EQ(config.rope.scaling, expected.scaling);
  EXPECT_EQ(config.attention_bias, expected.attention_bias);
  EXPECT_EQ(config.output_bias, expected.output_bias);
  EXPECT_EQ(config.qk_norm, expected.qk_norm);
  EXPECT_EQ(config.tied_embeddings, expected.tied);
  EXPECT_EQ(config.sliding_window, expected.window);
}

using Scaling = Rope::Scaling;
INSTANTIATE_TEST_SUITE_P(
    Families, HfDirectory,
    ::testing::Values(
        Directory{"llama", "llama", 8, Scaling::none, false, false, false, false, 0},
        Directory{"llama-llama3", "llama", 96, Scaling::llama3, false, false, false, true, 0},
        Directory{"llama-linear", "llama", 64, Scaling::linear, true, true, false, false, 0},
        Directory{"mistral", "mistral", 80, Scaling::none, false, false, false, false, 0},
        Directory{"mistral-window", "mistral", 8, Scaling::none, false, false, false, false, 12},
        Directory{"qwen2", "qwen2", 16, Scaling::none, true, false, false, true, 0},
        Directory{"qwen3", "qwen3", 128, Scaling::none, false, false, true, false, 0}),
    [](const auto& param) {
      std::string name = param.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

class Twins : public ::testing::TestWithParam<std::string> {};

// The GGUF files are written in the conventions of their architecture, llama with interleaved
// pairing: both sources must give the same bits.
TEST_P(Twins, HoldTheSameWeightsAndShape) {
  const auto directory = open_model_files(kModels + GetParam());
  const auto gguf = open_model_files(kModels + GetParam() + "/model.gguf");
  const ModelConfig& config = directory->config();

  for (const WeightKind kind : all_weight_kinds()) {
    ASSERT_EQ(has_weight(config, kind), has_weight(gguf->config(), kind)) << weight_name(kind);
    if (!has_weight(config, kind)) continue;
    for (int layer = 0; layer < config.layers; ++layer)
      EXPECT_EQ(read_all(directory->get(kind, layer)), read_all(gguf->get(kind, layer)))
          << weight_name(kind) << " " << layer;
  }
  const ModelConfig& other = gguf->config();
  EXPECT_EQ(config.parameters(), other.parameters());
  EXPECT_EQ(config.norm_eps, other.norm_eps);
  EXPECT_EQ(config.context, other.context);
  EXPECT_EQ(config.rope.scaling, other.rope.scaling);
  for (size_t at = 0; at < config.rope.inverse_frequencies.size(); ++at)
    EXPECT_NEAR(config.rope.inverse_frequencies[at] / other.rope.inverse_frequencies[at], 1, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Models, Twins,
                         ::testing::Values("llama", "llama-llama3", "llama-linear", "qwen2",
                                           "qwen3"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(ModelFiles, ReadsAnyRowsOfAWeight) {
  const auto model = open_model_files(kModels + "llama/model.gguf");
  const WeightRows weight = model->get(WeightKind::q, 1);
  const std::vector<float> all = read_all(weight);

  std::vector<float> some(3 * weight.cols);
  weight.read(7, 3, some.data());

  EXPECT_EQ(some,
            std::vector<float>(all.begin() + 7 * weight.cols, all.begin() + 10 * weight.cols));
  weight.read(weight.rows, 0, nullptr);
}

TEST(ModelFiles, UndoesTheInterleavingOfLlamaGgufs) {
  TemporaryFolder folder;
  GgufBuilder builder = tiny_gguf_metadata();
  builder.number("llama.attention.key_length", 4).number("llama.attention.value_length", 4);
  builder.tensor("token_embd.weight", {4, 5}, 0, counting(20));
  builder.tensor("output_norm.weight", {4}, 0, counting(4));
  builder.tensor("blk.0.attn_norm.weight", {4}, 0, counting(4));
  builder.tensor("blk.0.attn_q.weight", {4, 8}, 0, counting(32));
  builder.tensor("blk.0.attn_k.weight", {4, 4}, 0, counting(16));
  builder.tensor("blk.0.attn_v.weight", {4, 4}, 0, counting(16));
  builder.tensor("blk.0.attn_output.weight", {8, 4}, 0, counting(32));
  builder.tensor("blk.0.ffn_norm.weight", {4}, 0, counting(4));
  builder.tensor("blk.0.ffn_gate.weight", {4, 6}, 0, counting(24));
  builder.tensor("blk.0.ffn_up.weight", {4, 6}, 0, counting(24));
  builder.tensor("blk.0.ffn_down.weight", {6, 4}, 0, counting(24));
  const auto model = open_model_files(folder.write("m.gguf", builder.bytes()).string());

  const std::vector<float> q = read_all(model->get(WeightKind::q));
  const std::vector<float> v = read_all(model->get(WeightKind::v));

  // Row r of the file begins with 4 r. Heads of 4 rows a0 b0 a1 b1 become a0 a1 b0 b1.
  const std::vector<int> order{0, 2, 1, 3, 4, 6, 5, 7};
  for (size_t row = 0; row < order.size(); ++row)
    EXPECT_EQ(q[row * 4], static_cast<float>(order[row] * 4)) << row;
  for (size_t row = 0; row < 4; ++row) EXPECT_EQ(v[row * 4], static_cast<float>(row * 4));
}

TEST(ModelFiles, RefusesWeightsThatTheModelDoesNotHave) {
  const auto model = open_model_files(kModels + "llama-llama3");

  const Error e = error_of([&] { model->get(WeightKind::output); });

  EXPECT_EQ(e.kind(), ErrorKind::argument);
  EXPECT_EQ(e.what(), kModels + "llama-llama3: this model has no weight 'output'");
  EXPECT_EQ(error_of([&] { model->get(WeightKind::q, 2); }).what(),
            kModels + "llama-llama3: layer 2 does not exist, expected 0 to 1");
}

// One byte of a copy is changed at a time.
TEST(ModelFiles, ChangesTheFingerprintWithAnyByteOfASmallModel) {
  TemporaryFolder folder;
  GgufBuilder metadata = tiny_gguf_metadata();
  const std::string bytes = add_tiny_tensors(metadata).bytes();
  const auto open = [&](const std::string& content) {
    return open_model_files(folder.write("m.gguf", content).string())->fingerprint();
  };
  const Hash128 original = open(bytes);

  for (const size_t back : {1UL, 33UL, 310UL}) {
    std::string changed = bytes;
    changed[bytes.size() - back] ^= 1;
    EXPECT_NE(open(changed), original) << back;
  }
  EXPECT_EQ(open(bytes), original);
}

TEST(ModelFiles, ChangesTheFingerprintWithTheShape) {
  TemporaryFolder folder;
  GgufBuilder first = tiny_gguf_metadata();
  GgufBuilder second = tiny_gguf_metadata();
  second.text("llama.rope.scaling.type", "linear").real("llama.rope.scaling.factor", 2);
  const auto a = open_model_files(folder.write("a", add_tiny_tensors(first).bytes()).string());
  const auto b = open_model_files(folder.write("b", add_tiny_tensors(second).bytes()).string());

  EXPECT_NE(a->fingerprint(), b->fingerprint());
}

}  // namespace
}  // namespace kvs::test
