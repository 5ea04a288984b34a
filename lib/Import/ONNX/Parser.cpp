// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// onnx.proto's messages, as far as a model needs them. The numbers in the
// switches are the field numbers of that file; fields without a case are
// skipped.

#include "Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// Nodes, attributes, tensors and so on that a file may have: what each takes
/// in memory is more than the two bytes that it takes in a file.
static constexpr uint64_t mostRecords = uint64_t(1) << 22;

Error ONNXParser::countRecord() {
  if (++records > mostRecords)
    return file.error("has more than " + Twine(mostRecords) +
                      " nodes, attributes and tensors");
  return Error::success();
}

Error ONNXParser::forEachField(const char *what, Bytes bytes,
                               function_ref<Error(Message &)> read) {
  Message message(file.path(), what, bytes);
  while (true) {
    Expected<bool> more = message.next();
    if (!more)
      return more.takeError();
    if (!*more)
      return Error::success();
    if (Error failure = read(message))
      return failure;
  }
}

/// Reads the current field, a message, with one of the functions above.
template <typename Parse> static Error descend(Message &message, Parse parse) {
  ArrayRef<uint8_t> bytes;
  if (Error failure = message.read(bytes))
    return failure;
  return parse(bytes);
}

Error ONNXParser::parse() {
  Error failure =
      forEachField("the model", file.bytes, [&](Message &message) -> Error {
        switch (message.field().number) {
        case 7:
          return descend(message,
                         [&](Bytes bytes) { return parseGraph(bytes); });
        case 8:
          return descend(message,
                         [&](Bytes bytes) { return parseOpset(bytes); });
        default:
          return Error::success();
        }
      });
  if (failure)
    return failure;
  if (!hasGraph)
    return file.error("is no ONNX model: it has no graph");
  for (auto [index, node] : enumerate(file.contents.nodes))
    for (StringRef output : node.outputs)
      if (!output.empty())
        file.makerByValue.try_emplace(output, index);
  return addConstants();
}

Error ONNXParser::parseOpset(Bytes bytes) {
  StringRef domain;
  int64_t version = 0;
  Error failure =
      forEachField("an opset", bytes, [&](Message &message) -> Error {
        switch (message.field().number) {
        case 1:
          return message.read(domain);
        case 2:
          return message.read(version);
        default:
          return Error::success();
        }
      });
  if (failure)
    return failure;
  if (domain == "ai.onnx")
    domain = "";
  if (version < 1)
    return file.error("has the opset version " + Twine(version));
  file.opsets[domain] = version;
  return countRecord();
}

Error ONNXParser::parseGraph(Bytes bytes) {
  if (hasGraph)
    return file.error("has more than one graph");
  hasGraph = true;
  Graph &graph = file.contents;
  return forEachField("the graph", bytes, [&](Message &message) -> Error {
    switch (message.field().number) {
    case 1:
      return descend(message, [&](Bytes bytes) { return parseNode(bytes); });
    case 5:
      return descend(message, [&](Bytes bytes) -> Error {
        Tensor tensor;
        if (Error failure = parseTensor(bytes, tensor))
          return failure;
        graph.constants.push_back(std::move(tensor));
        return Error::success();
      });
    case 11:
      return descend(message, [&](Bytes bytes) {
        return parseValueInfo(bytes, graph.inputs);
      });
    case 12:
      return descend(message, [&](Bytes bytes) {
        return parseValueInfo(bytes, graph.outputs);
      });
    case 15:
      return file.error("has sparse initializers, which are not supported");
    default:
      return Error::success();
    }
  });
}

Error ONNXParser::parseNode(Bytes bytes) {
  if (Error failure = countRecord())
    return failure;
  Node node;
  Error failure = forEachField("a node", bytes, [&](Message &message) -> Error {
    StringRef string;
    switch (message.field().number) {
    case 1:
    case 2: {
      if (Error failure = message.read(string))
        return failure;
      (message.field().number == 1 ? node.inputs : node.outputs)
          .push_back(string);
      return countRecord();
    }
    case 3:
      return message.read(node.name);
    case 4:
      return message.read(node.op);
    case 5:
      return descend(message, [&](Bytes bytes) {
        node.attributes.emplace_back();
        return parseAttribute(bytes, node.attributes.back());
      });
    case 7:
      return message.read(node.domain);
    default:
      return Error::success();
    }
  });
  if (failure)
    return failure;
  if (node.domain == "ai.onnx")
    node.domain = "";
  const NodeAttribute *value = node.find("value");
  bool isTensor = node.op == "Constant" && node.domain.empty() && value &&
                  value->kind == NodeAttribute::Kind::Tensor;
  if (!isTensor || node.outputs.size() != 1) {
    file.contents.nodes.push_back(std::move(node));
    return Error::success();
  }
  file.contents.constants.push_back(value->tensor);
  file.contents.constants.back().name = node.outputs[0];
  return Error::success();
}

static NodeAttribute::Kind kindOf(int64_t type) {
  switch (type) {
  case 1:
    return NodeAttribute::Kind::Float;
  case 2:
    return NodeAttribute::Kind::Int;
  case 3:
    return NodeAttribute::Kind::String;
  case 4:
    return NodeAttribute::Kind::Tensor;
  case 5:
    return NodeAttribute::Kind::Graph;
  case 6:
    return NodeAttribute::Kind::Floats;
  case 7:
    return NodeAttribute::Kind::Ints;
  case 8:
    return NodeAttribute::Kind::Strings;
  default:
    return NodeAttribute::Kind::Other;
  }
}

Error ONNXParser::parseAttribute(Bytes bytes, NodeAttribute &attribute) {
  if (Error failure = countRecord())
    return failure;
  return forEachField("an attribute", bytes, [&](Message &message) -> Error {
    switch (message.field().number) {
    case 1:
      return message.read(attribute.name);
    case 2:
      return message.read(attribute.number);
    case 3:
      return message.read(attribute.integer);
    case 4:
      return message.read(attribute.string);
    case 5:
      return descend(message, [&](Bytes bytes) {
        return parseTensor(bytes, attribute.tensor);
      });
    case 7: {
      std::vector<uint8_t> packed;
      if (Error failure = message.append(packed, sizeof(float)))
        return failure;
      size_t count = attribute.numbers.size();
      attribute.numbers.resize(count + packed.size() / sizeof(float));
      // Of nothing there may be no address to copy from.
      if (!packed.empty())
        std::memcpy(&attribute.numbers[count], packed.data(), packed.size());
      return Error::success();
    }
    case 8:
      return message.append(attribute.integers);
    case 20: {
      int64_t type;
      if (Error failure = message.read(type))
        return failure;
      attribute.kind = kindOf(type);
      return Error::success();
    }
    default:
      return Error::success();
    }
  });
}

Error ONNXParser::parseValueInfo(Bytes bytes, std::vector<ValueInfo> &values) {
  if (Error failure = countRecord())
    return failure;
  ValueInfo &value = values.emplace_back();
  return forEachField(
      "an input or output", bytes, [&](Message &message) -> Error {
        switch (message.field().number) {
        case 1:
          return message.read(value.name);
        case 2:
          return descend(message,
                         [&](Bytes bytes) { return parseType(bytes, value); });
        default:
          return Error::success();
        }
      });
}

Error ONNXParser::parseType(Bytes bytes, ValueInfo &value) {
  return forEachField("a type", bytes, [&](Message &message) -> Error {
    if (message.field().number != 1)
      return Error::success();
    return descend(message,
                   [&](Bytes bytes) { return parseTensorType(bytes, value); });
  });
}

Error ONNXParser::parseTensorType(Bytes bytes, ValueInfo &value) {
  return forEachField("a tensor's type", bytes, [&](Message &message) -> Error {
    switch (message.field().number) {
    case 1: {
      int64_t type;
      if (Error failure = message.read(type))
        return failure;
      value.type = toDataType(type);
      return Error::success();
    }
    case 2:
      value.hasShape = true;
      return descend(message,
                     [&](Bytes bytes) { return parseShape(bytes, value); });
    default:
      return Error::success();
    }
  });
}

Error ONNXParser::parseShape(Bytes bytes, ValueInfo &value) {
  return forEachField("a shape", bytes, [&](Message &message) -> Error {
    if (message.field().number != 1)
      return Error::success();
    return descend(message,
                   [&](Bytes bytes) { return parseDimension(bytes, value); });
  });
}

Error ONNXParser::parseDimension(Bytes bytes, ValueInfo &value) {
  if (value.shape.size() == highestRank)
    return tensorError(file.path(), value.name,
                       "has more than " + Twine(highestRank) + " dimensions");
  Dimension &dimension = value.shape.emplace_back();
  Error failure =
      forEachField("a dimension", bytes, [&](Message &message) -> Error {
        switch (message.field().number) {
        case 1:
          return message.read(dimension.size);
        case 2:
          return message.read(dimension.symbol);
        default:
          return Error::success();
        }
      });
  // Some exporters write -1 or 0 for a size that is not known.
  if (dimension.size <= 0)
    dimension.size = -1;
  return failure;
}
