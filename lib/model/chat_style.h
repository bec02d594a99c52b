#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "kvs/chat_template.h"

namespace kvs {

/// Every message between the same marks: ChatML, Llama 3, Zephyr.
struct FramedStyle {
  std::string begin;            ///< once, before everything (BOS)
  std::string before_role;      ///< "<|im_start|>"
  std::string after_role;       ///< "\n"
  std::string after_message;    ///< "<|im_end|>\n"
  std::string generation;       ///< opens the answer
  bool always_opens = false;    ///< also where no generation prompt was asked for
  std::string default_system;   ///< where the first message is no system message
  bool any_role = false;        ///< not only system, user and assistant …
  bool has_tools = false;       ///< … but "tool" and "ipython", which are written otherwise
  bool trims = false;           ///< whitespace around contents
  bool drops_thoughts = false;  ///< Qwen 3: <think>…</think> of earlier answers
  std::string cutoff;           ///< Llama 3.1: first line of every system message
  std::string date;             ///< Llama 3.1: "26 Jul 2024"
};

/// Where a turn-wise template puts the system message.
enum class SystemPlace { nowhere, marked_in_first, in_first, in_last, bare };

/// A user's message and the answer as one turn: Llama 2, Mistral, Yi.
struct TurnStyle {
  std::string begin;          ///< once, before everything
  std::string before_user;    ///< "[INST] ", with BOS for Llama 2
  std::string after_user;     ///< " [/INST]"
  std::string before_answer;  ///< " "
  std::string after_answer;   ///< EOS
  bool trims_user = false;
  bool trims_answer = false;
  bool alternates = true;  ///< roles must alternate
  SystemPlace system = SystemPlace::nowhere;
};

struct ChatStyle {
  std::string name;
  std::variant<FramedStyle, TurnStyle> style;
};

RenderedChat render_framed(const FramedStyle& style, std::span<const ChatMessage> messages,
                           const RenderOptions& options);
RenderedChat render_turns(const TurnStyle& style, std::span<const ChatMessage> messages);

/// A family's style as its first model has it.
ChatStyle named_style(std::string_view name, std::string_view bos, std::string_view eos);

/// See ChatTemplate::recognise.
ChatStyle recognised_style(std::string_view jinja, std::string_view bos, std::string_view eos);

}  // namespace kvs
