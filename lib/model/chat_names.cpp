#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/printable.h"
#include "kvs/error.h"
#include "model/chat_style.h"

namespace kvs {
namespace {

FramedStyle chatml() {
  FramedStyle style;
  style.before_role = "<|im_start|>";
  style.after_role = "\n";
  style.after_message = "<|im_end|>\n";
  style.generation = "<|im_start|>assistant\n";
  style.any_role = true;
  return style;
}

FramedStyle llama3(std::string_view bos) {
  FramedStyle style;
  style.begin = bos;
  style.before_role = "<|start_header_id|>";
  style.after_role = "<|end_header_id|>\n\n";
  style.after_message = "<|eot_id|>";
  style.generation = "<|start_header_id|>assistant<|end_header_id|>\n\n";
  style.any_role = true;
  style.trims = true;
  return style;
}

FramedStyle zephyr(std::string_view eos) {
  FramedStyle style;
  style.before_role = "<|";
  style.after_role = "|>\n";
  style.after_message = std::string(eos) + "\n";
  style.generation = "<|assistant|>\n";
  return style;
}

TurnStyle llama2(std::string_view bos, std::string_view eos) {
  TurnStyle style;
  style.before_user = std::string(bos) + "[INST] ";
  style.after_user = " [/INST]";
  style.before_answer = " ";
  style.after_answer = " " + std::string(eos);
  style.trims_user = true;
  style.trims_answer = true;
  style.system = SystemPlace::marked_in_first;
  return style;
}

TurnStyle mistral(std::string_view bos, std::string_view eos) {
  TurnStyle style;
  style.begin = bos;
  style.before_user = " [INST] ";
  style.after_user = " [/INST]";
  style.before_answer = " ";
  style.after_answer = eos;
  style.system = SystemPlace::in_first;
  return style;
}

TurnStyle mistral_v3(std::string_view bos, std::string_view eos) {
  TurnStyle style = mistral(bos, eos);
  style.before_user = "[INST] ";
  style.after_user = "[/INST]";
  style.trims_answer = true;
  style.system = SystemPlace::in_last;
  return style;
}

TurnStyle mistral_tekken(std::string_view bos, std::string_view eos) {
  TurnStyle style = mistral_v3(bos, eos);
  style.before_user = "[INST]";
  style.before_answer = "";
  style.trims_answer = false;
  return style;
}

TurnStyle yi() {
  TurnStyle style;
  style.before_user = "<|im_start|>user\n";
  style.after_user = "<|im_end|>\n<|im_start|>assistant\n";
  style.after_answer = "<|im_end|>\n";
  style.alternates = false;
  style.system = SystemPlace::bare;
  return style;
}

}  // namespace

ChatStyle named_style(std::string_view name, std::string_view bos, std::string_view eos) {
  const std::string own(name);
  if (name == "chatml") return {own, chatml()};
  if (name == "llama-2") return {own, llama2(bos, eos)};
  if (name == "llama-3") return {own, llama3(bos)};
  if (name == "mistral-v1") return {own, mistral(bos, eos)};
  if (name == "mistral-v3") return {own, mistral_v3(bos, eos)};
  if (name == "mistral-tekken") return {own, mistral_tekken(bos, eos)};
  if (name == "yi") return {own, yi()};
  if (name == "zephyr") return {own, zephyr(eos)};
  fail(ErrorKind::argument, "chat template '{}' is not known, expected one of {}", printable(name),
       fmt::join(ChatTemplate::names(), ", "));
}

std::vector<std::string_view> ChatTemplate::names() {
  return {"chatml",     "llama-2",        "llama-3", "mistral-v1",
          "mistral-v3", "mistral-tekken", "yi",      "zephyr"};
}

}  // namespace kvs
