#include "tools/embedder_choice.h"

#include "kvs/bert_embedder.h"
#include "kvs/error.h"
#include "tools/model_path.h"

namespace kvs {
namespace {

constexpr const char* kInstalledEncoder = "minilm";

}  // namespace

ChosenEmbedder::ChosenEmbedder(const EmbedderChoice& choice) {
  if (choice.name == "static") {
    files_ = open_model_files(choice.model);
    embedder_ = std::make_unique<StaticEmbedder>(*files_);
    return;
  }
  const std::string wanted = choice.name == "bert" ? kInstalledEncoder : choice.name;
  backend_ = make_backend(choice.backend);
  auto encoder = std::make_unique<BertEmbedder>(resolve_model(wanted), *backend_);
  if (!choice.tokenizer)
    fail(ErrorKind::argument, "embedder '{}' reads the text of prompts, {} has no tokenizer",
         choice.name, choice.model);
  encoder->read_prompts_with(choice.tokenizer);
  embedder_ = std::move(encoder);
}

void add_embedder_option(CLI::App& app, std::string& name) {
  const std::string automatic = name == "auto" ? "auto (the index's), " : "";
  app.add_option("--embedder", name,
                 automatic + "static, bert (the installed minilm) or an encoder's directory")
      ->type_name("NAME")
      ->capture_default_str();
}

std::unique_ptr<ChosenEmbedder> open_index_embedder(EmbedderChoice choice,
                                                    const std::string& indexed,
                                                    const std::string& index) {
  if (choice.name == "auto") choice.name = indexed.starts_with("bert-") ? "bert" : "static";
  auto embedder = std::make_unique<ChosenEmbedder>(choice);
  require_embedder(**embedder, indexed, index);
  return embedder;
}

}  // namespace kvs
