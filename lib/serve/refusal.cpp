#include "serve/refusal.h"

namespace kvs {

Json Refusal::to_json() const {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return Json::Object{{"error", Json::Object{{"message", message},
                                             {"type", type},
                                             {"param", or_null(param)},
                                             {"code", or_null(code)}}}};
}

}  // namespace kvs
