// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_ONNX_IMPORTER_H
#define QUANT_MLIR_LIB_IMPORT_ONNX_IMPORTER_H

// How a graph becomes a function. Its nodes are visited in their order, and the
// functions of Operators.h emit them with what is here.
//
// Exporters compute shapes with nodes: Shape, Gather, Concat, Reshape. So a
// value is not always a tensor yet. Small integer tensors are lists of scalars
// that fold as they are made, a constant that is repeated is one scalar, and a
// weight is a name in the file; they become tensors when somebody asks for one.
//
// The size of every dimension is known as a number or as an SSA value, and
// sizes that are computed in the same way are the same SSA value. Where two
// different dynamic sizes meet they are taken to be equal: a dynamic dimension
// is never one that is broadcast.

#include "Patterns.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OwningOpRef.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Import/ONNX.h"
#include "quant-mlir/Import/WeightSource.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"

namespace quantmlir::onnx {

using Sizes = llvm::SmallVector<mlir::OpFoldResult>;

/// A value of the graph.
struct GraphValue {
  DataType type = DataType::Undefined;
  Sizes shape;

  // What is known of its numbers; all of it may be absent.
  mlir::Value tensor;
  /// Every element, row by row.
  std::optional<llvm::SmallVector<mlir::Value>> elements;
  /// The element that all are.
  mlir::Value splat;
  /// The numbers in the file, and whether they are this matrix transposed.
  const Tensor *constant = nullptr;
  bool transposed = false;

  int64_t rank() const { return shape.size(); }
};

bool isFloat(DataType type);
bool isUnsigned(DataType type);
inline bool isBool(DataType type) { return type == DataType::Bool; }

/// A size if it is static, else -1.
int64_t staticSize(mlir::OpFoldResult size);
/// All sizes, if they are static.
std::optional<llvm::SmallVector<int64_t>> staticShape(const Sizes &shape);

class Importer {
public:
  /// `given` are sizes for dimensions that have a name.
  Importer(std::shared_ptr<ONNXFile> file, mlir::MLIRContext *context,
           const llvm::StringMap<int64_t> &given);

  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> run();

  //===--------------------------------------------------------------------===//
  // The node that is being imported
  //===--------------------------------------------------------------------===//

  llvm::StringRef op() const { return node->op; }
  llvm::StringRef domain() const { return node->domain; }
  /// The version of its domain.
  int64_t opset() const { return file->opset(node->domain); }

  unsigned numInputs() const { return node->inputs.size(); }
  bool has(unsigned index) const {
    return index < numInputs() && !node->inputs[index].empty();
  }
  /// An input that is there: the table of operators says how many are.
  GraphValue &in(unsigned index) { return *inputs[index]; }
  llvm::SmallVector<GraphValue *> all() { return inputs; }

  unsigned numOutputs() const { return node->outputs.size(); }
  bool wants(unsigned index) const {
    return index < numOutputs() && !node->outputs[index].empty();
  }
  /// A value by its name. Null, and an error, if there is none yet, or its type
  /// is not supported.
  GraphValue *read(llvm::StringRef name);
  void result(GraphValue value) { result(0, std::move(value)); }
  void result(unsigned index, GraphValue value);

  const NodeAttribute *attribute(llvm::StringRef name) {
    return node->find(name);
  }
  int64_t integer(llvm::StringRef name, int64_t otherwise);
  double number(llvm::StringRef name, double otherwise);
  llvm::StringRef string(llvm::StringRef name, llvm::StringRef otherwise);
  std::optional<llvm::ArrayRef<int64_t>> integers(llvm::StringRef name);
  /// An axis counted from the end if it is negative. None, and an error, if
  /// there is no such axis.
  std::optional<int64_t> axis(int64_t axis, int64_t rank);

  /// Says why the node cannot be imported. The first reason counts; a function
  /// that has called this returns.
  void fail(const llvm::Twine &reason);
  bool failed() const { return problem.has_value(); }

  //===--------------------------------------------------------------------===//
  // Numbers and sizes
  //===--------------------------------------------------------------------===//

  mlir::ImplicitLocOpBuilder b;

  /// The element type of tensors in IR, null if there is none.
  mlir::Type elementType(DataType type);
  /// The type of one number: of truth values, a bit.
  mlir::Type scalarType(DataType type);
  mlir::RankedTensorType tensorType(DataType type, const Sizes &shape);
  mlir::Value constant(DataType type, double number);
  mlir::Value constant(DataType type, int64_t number);
  mlir::Value constant(DataType type, int number) {
    return constant(type, int64_t(number));
  }

  /// What a body emits for one element. Elements of 16-bit floats arrive as
  /// f32, and so may the result leave.
  using Body = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                              mlir::ValueRange)>;
  /// A scalar of `type`, folded as far as it is constant, made once.
  mlir::Value scalar(DataType type, mlir::ValueRange operands, Body body);

  mlir::OpFoldResult size(int64_t number) { return b.getIndexAttr(number); }
  mlir::Value index(mlir::OpFoldResult size);
  Sizes sizes(llvm::ArrayRef<int64_t> shape);
  /// Between sizes and integer scalars of a graph's tensors.
  mlir::OpFoldResult toSize(mlir::Value scalar, DataType type);
  mlir::Value fromSize(mlir::OpFoldResult size, DataType type);
  mlir::OpFoldResult add(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult sub(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult mul(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult div(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult product(llvm::ArrayRef<mlir::OpFoldResult> sizes);

  //===--------------------------------------------------------------------===//
  // Values
  //===--------------------------------------------------------------------===//

  GraphValue fromTensor(DataType type, mlir::Value tensor, Sizes shape);
  GraphValue fromElements(DataType type, llvm::ArrayRef<int64_t> shape,
                          llvm::SmallVector<mlir::Value> elements);
  GraphValue fromSplat(DataType type, mlir::Value scalar, Sizes shape);

  /// The value as a tensor.
  mlir::Value tensor(GraphValue &value);
  /// The elements if they are known and not many.
  std::optional<llvm::SmallVector<mlir::Value>> elements(GraphValue &value);
  /// The elements of a short tensor, read when the program runs if they are not
  /// known. Empty and an error if its size is not static or not small.
  llvm::SmallVector<mlir::Value> readElements(GraphValue &value);
  /// A list of sizes that a node takes as a tensor.
  Sizes readSizes(GraphValue &value);
  /// The elements if they are constant integers.
  std::optional<llvm::SmallVector<int64_t>> constants(GraphValue &value);
  /// The element if it is one constant number.
  std::optional<double> constantNumber(GraphValue &value);
  /// Axes, in an attribute before some opset and an input from then on.
  std::optional<llvm::SmallVector<int64_t>> axes(llvm::StringRef attribute,
                                                 unsigned input, int64_t rank);

  /// The shape that two shapes broadcast to.
  std::optional<Sizes> broadcast(const Sizes &a, const Sizes &b);
  /// One element of the result from one of each operand, which are broadcast.
  GraphValue map(DataType type, llvm::ArrayRef<GraphValue *> operands,
                 Body body);
  /// The same, to a given shape that the operands broadcast to.
  GraphValue mapTo(DataType type, const Sizes &shape,
                   llvm::ArrayRef<GraphValue *> operands, Body body);
  /// One element of the result from its index.
  GraphValue generate(DataType type, const Sizes &shape, Body body);
  /// Folds the axes with a body that takes an element and the accumulated
  /// number, in this order. 16-bit floats are accumulated in f32.
  GraphValue reduce(GraphValue &x, llvm::ArrayRef<int64_t> axes, bool keep,
                    mlir::Value init, Body body);
  /// sum(x · y) over the loops that the result has not. The maps index the
  /// loops, of which the first are the result's.
  GraphValue contract(GraphValue &x, mlir::AffineMap xMap, GraphValue &y,
                      mlir::AffineMap yMap, const Sizes &shape);

  GraphValue cast(GraphValue &value, DataType type);
  GraphValue reshape(GraphValue &value, Sizes shape);
  GraphValue transpose(GraphValue &value, llvm::ArrayRef<int64_t> permutation);
  GraphValue slice(GraphValue &value, const Sizes &offsets, const Sizes &sizes,
                   const Sizes &steps);
  GraphValue concat(llvm::ArrayRef<GraphValue *> values, int64_t axis);
  /// Removes or inserts dimensions of 1.
  GraphValue squeeze(GraphValue &value, llvm::ArrayRef<int64_t> axes);
  GraphValue unsqueeze(GraphValue &value, llvm::ArrayRef<int64_t> axes);
  GraphValue expand(GraphValue &value, const Sizes &shape);
  /// The bytes of a tensor of truth values; anything else as it is.
  GraphValue asNumbers(GraphValue &value);

  /// x + y and so on, broadcast, for composed operators. Floats only.
  template <typename Op> GraphValue binary(GraphValue &x, GraphValue &y) {
    return map(x.type, {&x, &y},
               [](mlir::OpBuilder &at, mlir::Location loc, mlir::ValueRange e)
                   -> mlir::Value { return Op::create(at, loc, e[0], e[1]); });
  }

  /// Whether the value is a matrix in the file.
  bool isWeight(const GraphValue &value) const;
  /// The matrix in the file, transposed if `transposed`, as an operand of lm.
  mlir::Value weight(const GraphValue &value, bool transposed);
  /// Declares a weight of the file, once, and loads it.
  mlir::Value load(llvm::StringRef name, mlir::Type type, WeightForm form);
  /// Declares a weight of the file, once, and says what it is called.
  llvm::StringRef declare(llvm::StringRef name, mlir::Type type,
                          WeightForm form);
  /// Declares the matrix of a product, the current node; products with the same
  /// constants share it.
  qt::WeightOp declareMatrix(const QuantizedProduct &product,
                             qt::QuantTensorType type);

  /// The model's file.
  std::shared_ptr<ONNXFile> file;

private:
  /// A symbol that no weight has, from a name in the file.
  std::string takeSymbol(llvm::StringRef name);
  llvm::Error checkModel();
  /// The size that a dimension has or was given, else -1.
  int64_t sizeOf(const Dimension &dimension) const;
  llvm::Error startFunction();
  llvm::Error importNode(const Node &node);
  llvm::Error finishNode();
  llvm::Error finishFunction();
  GraphValue *find(llvm::StringRef name);
  llvm::Error nodeError(const llvm::Twine &reason);
  mlir::Value denseConstant(const GraphValue &value);
  /// What `emit` emits, folded; operations that exist are not made again.
  mlir::Value folded(llvm::function_ref<mlir::Value()> emit);
  /// Emits an element of `type` with a body.
  static mlir::Value emitElement(mlir::OpBuilder &b, mlir::Location loc,
                                 mlir::Type type, mlir::ValueRange operands,
                                 Body body);
  mlir::OpFoldResult asSize(mlir::Value index);
  template <typename Op>
  mlir::OpFoldResult combine(mlir::OpFoldResult x, mlir::OpFoldResult y);

  mlir::OwningOpRef<mlir::ModuleOp> moduleOp;
  mlir::func::FuncOp function;
  std::deque<GraphValue> storage;
  llvm::StringMap<GraphValue *> values;
  const llvm::StringMap<int64_t> &given;
  llvm::StringMap<mlir::OpFoldResult> symbols;

  Patterns patterns;
  const Node *node = nullptr;
  llvm::SmallVector<GraphValue *> inputs;
  std::optional<std::string> problem;

  /// Scalar operations that exist: those that are alike are one.
  struct SameOperation : llvm::DenseMapInfo<mlir::Operation *> {
    static unsigned getHashValue(const mlir::Operation *op);
    static bool isEqual(const mlir::Operation *a, const mlir::Operation *b);
  };
  llvm::DenseSet<mlir::Operation *, SameOperation> scalars;
  /// Symbols of weights, by tensor and form.
  llvm::StringMap<std::string> weightSymbols;
  llvm::StringMap<qt::WeightOp> matrices;
  llvm::StringSet<> takenSymbols;
};

} // namespace quantmlir::onnx

#endif // QUANT_MLIR_LIB_IMPORT_ONNX_IMPORTER_H
