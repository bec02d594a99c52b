#include "kvs/bert_embedder.h"

#include <cmath>

#include "kvs/error.h"
#include "model/encoder.h"

namespace kvs {

struct BertEmbedder::State {
  State(const std::filesystem::path& directory, Backend& backend)
      : tokenizer(Tokenizer::from_json(directory / "tokenizer.json")),
        encoder(directory, read_bert_config(directory), backend) {
    const BertConfig& config = encoder.config();
    if (tokenizer->vocab_size() > config.vocab)
      fail(ErrorKind::format, "{}: tokenizer.json has {} tokens, expected at most {}",
           directory.string(), tokenizer->vocab_size(), config.vocab);
    frame = tokenizer->encode("");
    Hasher hasher;
    for (const int value :
         {config.layers, config.heads, config.max_tokens, static_cast<int>(config.pooling)})
      hasher.add_value(value);
    hasher.add_value(config.norm_eps);
    hasher.add(to_hex(encoder.fingerprint())).add(to_hex(tokenizer->hash()));
    name = "bert-" + to_hex(hasher.digest()).substr(0, 16);
  }

  std::vector<int32_t> encode(const std::string& text) const;

  std::unique_ptr<Tokenizer> tokenizer;
  Encoder encoder;
  std::vector<int32_t> frame;  // what stands around every text: [CLS] [SEP]
  std::string name;
};

// A text that is too long loses its end, not the token behind it.
std::vector<int32_t> BertEmbedder::State::encode(const std::string& text) const {
  std::vector<int32_t> tokens = tokenizer->encode(text);
  const auto most = static_cast<size_t>(encoder.config().max_tokens);
  if (tokens.size() > most) {
    tokens.resize(most);
    if (!frame.empty()) tokens.back() = frame.back();
  }
  return tokens;
}

namespace {

std::vector<float> normalised(const float* values, int dim) {
  double squares = 0;
  for (int i = 0; i < dim; ++i) squares += double{values[i]} * values[i];
  const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
  std::vector<float> out(dim);
  for (int i = 0; i < dim; ++i) out[i] = static_cast<float>(values[i] * scale);
  return out;
}

// Collects texts until a forward pass is full.
class Passes {
 public:
  explicit Passes(const Encoder& encoder) : encoder_(encoder) {}

  void add(std::vector<int32_t> tokens) {
    const auto length = static_cast<int64_t>(tokens.size());
    if (rows_ + length > Encoder::kMaxRows) run();
    rows_ += length;
    texts_.push_back(std::move(tokens));
  }

  std::vector<std::vector<float>> finish() {
    run();
    return std::move(embeddings_);
  }

 private:
  void run() {
    if (texts_.empty()) return;
    const int dim = encoder_.config().hidden;
    const std::vector<float> pooled = encoder_.encode(texts_);
    for (size_t i = 0; i < texts_.size(); ++i)
      embeddings_.push_back(normalised(&pooled[i * dim], dim));
    texts_.clear();
    rows_ = 0;
  }

  const Encoder& encoder_;
  std::vector<std::vector<int32_t>> texts_;
  int64_t rows_ = 0;
  std::vector<std::vector<float>> embeddings_;
};

}  // namespace

BertEmbedder::BertEmbedder(const std::filesystem::path& directory, Backend& backend)
    : state_(std::make_unique<State>(directory, backend)) {}

BertEmbedder::~BertEmbedder() = default;

std::string BertEmbedder::name() const {
  return state_->name;
}

int BertEmbedder::dim() const {
  return state_->encoder.config().hidden;
}

std::vector<float> BertEmbedder::embed(std::span<const int32_t> tokens) const {
  return std::move(embed_all(std::span(&tokens, 1)).front());
}

std::vector<std::vector<float>> BertEmbedder::embed_all(
    std::span<const std::span<const int32_t>> prompts) const {
  if (!prompts_)
    fail(ErrorKind::argument, "embedder {} reads the text of prompts, this model has no tokenizer",
         name());
  Passes passes(state_->encoder);
  for (const std::span<const int32_t> tokens : prompts)
    passes.add(state_->encode(prompts_->decode(tokens, true)));
  return passes.finish();
}

std::vector<std::vector<float>> BertEmbedder::embed_texts(
    std::span<const std::string> texts) const {
  Passes passes(state_->encoder);
  for (const std::string& text : texts) passes.add(state_->encode(text));
  return passes.finish();
}

}  // namespace kvs
