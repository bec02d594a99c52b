#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "kvs/error.h"
#include "model/chat_style.h"
#include "model/jinja_text.h"

namespace kvs {
namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

// Where the string literal that goes on in `text` ends.
size_t literal_end(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && text[at] != '\'') at += text[at] == '\\' ? 2 : 1;
  return std::min(at, text.size());
}

// The first literal, unescaped, that begins with one text and ends with another, without these.
// `before` and `after` are as the template writes them, with the quotes.
std::optional<std::string> between(std::string_view text, std::string_view before,
                                   std::string_view after) {
  for (size_t at = text.find(before); at != text.npos; at = text.find(before, at + 1)) {
    const std::string_view rest = text.substr(at + before.size());
    const size_t found = rest.find(after);
    const size_t quote = after.find('\'');
    if (found != rest.npos && found + quote == literal_end(rest))
      return unescape_jinja(rest.substr(0, found));
  }
  return std::nullopt;
}

std::optional<ChatStyle> find_chatml(std::string_view jinja, std::string_view bos,
                                     std::string_view eos) {
  const auto message = [&](std::string_view content) {
    const std::string open = "'<|im_start|>'+message['role']+'\\n'+" + std::string(content);
    return has(jinja, open + "+'<|im_end|>'+'\\n'") || has(jinja, open + "+'<|im_end|>\\n'");
  };
  const bool trims = message("message['content']|trim");
  if (!trims && !message("message['content']") && !message("content")) return std::nullopt;
  ChatStyle found = named_style("chatml", bos, eos);
  auto& style = std::get<FramedStyle>(found.style);
  style.trims = trims;
  if (has(jinja, "bos_token")) style.begin = bos;
  style.default_system = between(jinja, "'<|im_start|>system\\n", "<|im_end|>\\n'").value_or("");
  style.any_role = !has(jinja, "message['role']=='user'");
  style.drops_thoughts = has(jinja, "last_query_index") && has(jinja, "'</think>'in content");
  return found;
}

std::optional<ChatStyle> find_yi(std::string_view jinja, std::string_view bos,
                                 std::string_view eos) {
  const bool matches =
      has(jinja, "{{'<|im_start|>user\\n'+content+'<|im_end|>\\n<|im_start|>assistant\\n'}}") &&
      has(jinja, "{{content+'<|im_end|>'+'\\n'}}") && has(jinja, "{{system_message}}");
  return matches ? std::optional(named_style("yi", bos, eos)) : std::nullopt;
}

std::optional<ChatStyle> find_llama3(std::string_view jinja, std::string_view bos,
                                     std::string_view eos) {
  const std::string open =
      "'<|start_header_id|>'+message['role']+'<|end_header_id|>\\n\\n'+message['content']";
  const bool trims = has(jinja, open + "|trim+'<|eot_id|>'");
  if (!trims && !has(jinja, open + "+'<|eot_id|>'")) return std::nullopt;
  ChatStyle found = named_style("llama-3", bos, eos);
  auto& style = std::get<FramedStyle>(found.style);
  style.trims = trims;
  if (!has(jinja, "bos_token")) style.begin.clear();
  style.always_opens = !has(jinja, "add_generation_prompt");
  style.has_tools = has(jinja, "tool_calls");
  const auto cutoff = between(jinja, "{{'Cutting Knowledge Date: ", "\\n'}}");
  if (!cutoff) return found;
  const auto date = between(jinja, "date_string='", "'");
  if (!date || !has(jinja, "{{'Today Date: '+date_string+'\\n\\n'}}")) return std::nullopt;
  style.cutoff = "Cutting Knowledge Date: " + *cutoff;
  style.date = *date;
  return found;
}

std::optional<ChatStyle> find_zephyr(std::string_view jinja, std::string_view bos,
                                     std::string_view eos) {
  for (const char* role : {"user", "system", "assistant"}) {
    const std::string message = std::string("{{'<|") + role + "|>\\n'+message['content']+eos_token";
    if (!has(jinja, message + "}}{{'\\n'}}") && !has(jinja, message + "+'\\n'}}"))
      return std::nullopt;
  }
  if (!has(jinja, "{{'<|assistant|>'}}{{'\\n'}}") && !has(jinja, "{{'<|assistant|>\\n'}}"))
    return std::nullopt;
  return named_style("zephyr", bos, eos);
}

std::optional<ChatStyle> find_llama2(std::string_view jinja, std::string_view bos,
                                     std::string_view eos) {
  const bool matches =
      has(jinja, "'<<SYS>>\\n'+system_message+'\\n<</SYS>>\\n\\n'+message['content']") &&
      has(jinja, "{{bos_token+'[INST] '+content|trim+' [/INST]'}}") &&
      has(jinja, "{{' '+content|trim+' '+eos_token}}") && !has(jinja, "true==true");
  return matches ? std::optional(named_style("llama-2", bos, eos)) : std::nullopt;
}

bool set_mistral_user(TurnStyle& style, std::string_view jinja) {
  for (const char* before : {" [INST] ", "[INST] ", "[INST]"}) {
    for (const char* after : {" [/INST]", "[/INST]"}) {
      const std::string message =
          std::string("{{'") + before + "'+message['content']+'" + after + "'}}";
      if (!has(jinja, message)) continue;
      style.before_user = before;
      style.after_user = after;
      const std::string with_system = std::string("{{'") + before +
                                      "'+system_message+'\\n\\n'+message['content']+'" + after +
                                      "'}}";
      style.system = SystemPlace::nowhere;
      if (has(jinja, "loop.first and system_message is defined%}" + with_system))
        style.system = SystemPlace::in_first;
      else if (has(jinja, "loop.last and system_message is defined%}" + with_system))
        style.system = SystemPlace::in_last;
      return style.system != SystemPlace::nowhere || !has(jinja, "system_message");
    }
  }
  return false;
}

bool set_mistral_answer(TurnStyle& style, std::string_view jinja, std::string_view eos) {
  for (const char* before : {" ", ""}) {
    for (const char* trim : {"|trim", ""}) {
      for (const char* after : {" ", ""}) {
        const char* open = *before ? "{{' '+message['content']" : "{{message['content']";
        const char* close = *after ? "+eos_token+' '}}" : "+eos_token}}";
        if (!has(jinja, fmt::format("{}{}{}", open, trim, close))) continue;
        style.before_answer = before;
        style.trims_answer = *trim != '\0';
        style.after_answer = std::string(eos) + after;
        return true;
      }
    }
  }
  return false;
}

std::optional<ChatStyle> find_mistral(std::string_view jinja, std::string_view bos,
                                      std::string_view eos) {
  if (!has(jinja, "[INST]") || has(jinja, "[SYSTEM_PROMPT]") || has(jinja, "<<SYS>>"))
    return std::nullopt;
  ChatStyle found = named_style("mistral-v1", bos, eos);
  auto& style = std::get<TurnStyle>(found.style);
  if (!has(jinja, "{{bos_token}}")) return std::nullopt;
  if (!set_mistral_user(style, jinja) || !set_mistral_answer(style, jinja, eos))
    return std::nullopt;
  if (style.after_user == "[/INST]")
    found.name = style.before_user == "[INST]" ? "mistral-tekken" : "mistral-v3";
  return found;
}

}  // namespace

ChatStyle recognised_style(std::string_view jinja, std::string_view bos, std::string_view eos) {
  const std::string canonical = canonical_jinja(jinja);
  for (const auto find :
       {find_chatml, find_yi, find_llama3, find_zephyr, find_llama2, find_mistral})
    if (auto found = find(canonical, bos, eos)) return std::move(*found);
  fail(ErrorKind::format,
       "chat template: the model's own is of no known family; name one with --chat-template ({})",
       fmt::join(ChatTemplate::names(), ", "));
}

}  // namespace kvs
