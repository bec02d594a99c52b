#include "model/bert_weights.h"

#include <utility>

#include "kvs/dequantize.h"
#include "kvs/error.h"
#include "model/stored_model.h"

namespace kvs {
namespace {

void read_rows(const StoredTensor& matrix, int64_t cols, int64_t first, int64_t count, float* out) {
  const int64_t row_bytes = cols * block_size(matrix.type).bytes;
  dequantize(matrix.type, matrix.data + first * row_bytes, count * cols, out);
}

// Several matrices [rows, cols] each as one, so that one product serves them.
RowReader stacked(std::vector<const StoredTensor*> parts, int64_t rows, int64_t cols) {
  return [parts = std::move(parts), rows, cols](int64_t first, int64_t count, float* out) {
    for (int64_t row = first; row < first + count; ++row, out += cols)
      read_rows(*parts[row / rows], cols, row % rows, 1, out);
  };
}

// Puts weights on a backend.
class BertLoader {
 public:
  BertLoader(BertTensors& tensors, Backend& backend) : tensors_(tensors), backend_(backend) {}

  /// Of the linear maps NAME.weight [rows, cols] and NAME.bias [rows], one under the other.
  Linear linear(const std::vector<std::string>& names, int64_t rows, int64_t cols) {
    std::vector<const StoredTensor*> matrices;
    std::vector<std::string> biases;
    for (const std::string& name : names) {
      matrices.push_back(&tensors_.get(name + ".weight", rows, cols));
      biases.push_back(name + ".bias");
    }
    const auto all = static_cast<int64_t>(names.size()) * rows;
    return {backend_.make_matrix(all, cols, stacked(std::move(matrices), rows, cols), Compute::f32),
            vectors(biases, rows)};
  }

  LayerNormParameters norm(const std::string& name, int64_t dim) {
    return {vectors({name + ".weight"}, dim), vectors({name + ".bias"}, dim)};
  }

 private:
  Buffer vectors(const std::vector<std::string>& names, int64_t length) {
    std::vector<float> values(names.size() * length);
    for (size_t i = 0; i < names.size(); ++i)
      read_rows(tensors_.get(names[i], 0, length), length, 0, 1, &values[i * length]);
    Buffer buffer(backend_, DType::f32, {static_cast<int64_t>(values.size())});
    backend_.upload(buffer.tensor().data, values.data(), values.size() * sizeof(float));
    return buffer;
  }

  BertTensors& tensors_;
  Backend& backend_;
};

BertLayer load_layer(BertLoader& load, const BertConfig& config, int layer) {
  const std::string at = fmt::format("encoder.layer.{}.", layer);
  const std::string self = at + "attention.self.";
  return {.qkv = load.linear({self + "query", self + "key", self + "value"}, config.hidden,
                             config.hidden),
          .attended = load.linear({at + "attention.output.dense"}, config.hidden, config.hidden),
          .attention_norm = load.norm(at + "attention.output.LayerNorm", config.hidden),
          .wide = load.linear({at + "intermediate.dense"}, config.ffn, config.hidden),
          .narrow = load.linear({at + "output.dense"}, config.hidden, config.ffn),
          .output_norm = load.norm(at + "output.LayerNorm", config.hidden)};
}

}  // namespace

BertTensors::BertTensors(const std::filesystem::path& directory)
    : file_(directory / "model.safetensors") {
  if (!file_.find_tensor("embeddings.word_embeddings.weight")) prefix_ = "bert.";
}

const StoredTensor& BertTensors::get(const std::string& name, int64_t rows, int64_t cols) {
  const StoredTensor* tensor = file_.find_tensor(prefix_ + name);
  if (!tensor) fail_missing_tensor(file_.path(), prefix_ + name);
  const auto expected = rows == 0 ? std::vector<int64_t>{cols} : std::vector<int64_t>{rows, cols};
  if (tensor->shape != expected)
    fail(ErrorKind::format, "{}: tensor '{}' has shape [{}], expected [{}]", file_.path(),
         prefix_ + name, fmt::join(tensor->shape, ", "), fmt::join(expected, ", "));
  hasher_.add(name).add(tensor->data, static_cast<size_t>(tensor->bytes));
  return *tensor;
}

void add_row(const StoredTensor& matrix, int64_t row, int64_t cols, float* out) {
  std::vector<float> values(cols);
  read_rows(matrix, cols, row, 1, values.data());
  for (int64_t i = 0; i < cols; ++i) out[i] += values[i];
}

BertWeights::BertWeights(const std::filesystem::path& directory, const BertConfig& config,
                         Backend& backend)
    : tensors_(directory),
      hidden_(config.hidden),
      words_(&tensors_.get("embeddings.word_embeddings.weight", config.vocab, hidden_)),
      positions_(&tensors_.get("embeddings.position_embeddings.weight", config.positions, hidden_)),
      types_(&tensors_.get("embeddings.token_type_embeddings.weight", config.types, hidden_)),
      embedding_norm_(BertLoader(tensors_, backend).norm("embeddings.LayerNorm", hidden_)) {
  BertLoader load(tensors_, backend);
  for (int layer = 0; layer < config.layers; ++layer)
    layers_.push_back(load_layer(load, config, layer));
}

void BertWeights::embed(int32_t token, int32_t position, float* out) const {
  read_rows(*words_, hidden_, token, 1, out);
  add_row(*positions_, position, hidden_, out);
  add_row(*types_, 0, hidden_, out);
}

}  // namespace kvs
