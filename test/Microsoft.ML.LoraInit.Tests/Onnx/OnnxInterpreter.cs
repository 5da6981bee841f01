using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>
/// Computes a graph by the operators' definitions in ONNX's standard (onnx/onnx: docs/Operators.md, opset 14), node after node.
/// It refuses what the definitions do not allow, also types that do not fit.
/// </summary>
internal sealed class OnnxInterpreter : IDisposable
{
    private readonly OnnxFile _file;
    private readonly Dictionary<string, Tensor> _constants;

    public OnnxInterpreter(OnnxFile file)
    {
        _file = file;
        using var scope = NewDisposeScope();
        _constants = file.Constants.Values.ToDictionary(c => c.Name, c => (c.Type switch
        {
            OnnxFile.Float => tensor(c.Values<float>()).reshape(c.Shape),
            OnnxFile.Int64 => tensor(c.Values<long>()).reshape(c.Shape),
            _ => throw new InvalidDataException($"'{c.Name}' has the type {c.Type}."),
        }).DetachFromDisposeScope());
    }

    public Dictionary<string, float[][]> Run(long[] inputIds, long[] attentionMask, int rows)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var values = new Dictionary<string, Tensor>(_constants);
        long length = inputIds.Length / rows;
        values.Add("input_ids", tensor(inputIds).reshape(rows, length));
        values.Add("attention_mask", tensor(attentionMask).reshape(rows, length));
        foreach (var node in _file.Nodes)
            values.Add(node.Outputs.Single(), new Step(node, [.. node.Inputs.Select(name => values[name])]).Compute());
        return _file.Outputs.ToDictionary(o => o.Name, o =>
        {
            var flat = values[o.Name].contiguous().data<float>().ToArray();
            return flat.Chunk(flat.Length / rows).ToArray();
        });
    }

    public void Dispose()
    {
        foreach (var constant in _constants.Values)
            constant.Dispose();
    }

    private sealed class Step(OnnxFile.Node node, Tensor[] inputs)
    {
        private readonly HashSet<string> _unread = [.. node.Attributes.Keys];

        public Tensor Compute()
        {
            var result = node.Operation switch
            {
                "Add" => Binary((a, b) => a + b),
                "Sub" => Binary((a, b) => a - b),
                "Mul" => Binary((a, b) => a * b),
                "Div" => Binary((a, b) => a / b),
                "Pow" => Binary((a, b) => a.pow(b)),
                "Equal" => Binary((a, b) => a.eq(b)),
                "Not" => One(ScalarType.Bool).logical_not(),
                "Sqrt" => One(ScalarType.Float32).sqrt(),
                "Erf" => One(ScalarType.Float32).erf(),
                "Relu" => One(ScalarType.Float32).relu(),
                "Tanh" => One(ScalarType.Float32).tanh(),
                "Sigmoid" => One(ScalarType.Float32).sigmoid(),
                "Identity" => inputs.Single(),
                "Where" => where(inputs[0], inputs[1], inputs[2]),
                "LessOrEqual" => Binary((a, b) => a.le(b)),
                "ReduceSum" => inputs[0].sum(Integers(inputs[1]), Integer("keepdims") == 1),
                "Softmax" => One(ScalarType.Float32).softmax(Integer("axis")),
                "Cast" => inputs.Single().to(Integer("to") == OnnxFile.Float ? ScalarType.Float32 : ScalarType.Int64),
                "CumSum" => inputs[0].cumsum(inputs[1].item<long>()),
                "Clip" => inputs[0].clamp(inputs[1], inputs[2]),
                "ReduceMax" => One(ScalarType.Float32).amax(node.Attributes[Read("axes")], Integer("keepdims") == 1),
                "ReduceMean" => One(ScalarType.Float32).mean(node.Attributes[Read("axes")], Integer("keepdims") == 1),
                "Transpose" => inputs.Single().permute(node.Attributes[Read("perm")]),
                "Unsqueeze" => Integers(inputs[1]).Aggregate(inputs[0], (x, axis) => x.unsqueeze(axis)),
                "Reshape" => inputs[0].reshape([.. Integers(inputs[1]).Select((size, axis) => size == 0 ? inputs[0].shape[axis] : size)]),
                "Gather" => Gather(Integer("axis", 0)),
                "MatMul" => MatMul(),
                "Concat" => cat(inputs, Integer("axis")),
                _ => throw new InvalidDataException($"The operator '{node.Operation}'."),
            };
            Assert.AreEqual(0, _unread.Count, $"{node.Name} has the attribute {_unread.FirstOrDefault()}.");
            return result;
        }

        private Tensor One(ScalarType type)
        {
            Assert.AreEqual(type, inputs.Single().dtype, node.Name);
            return inputs[0];
        }

        private Tensor Binary(Func<Tensor, Tensor, Tensor> operation)
        {
            Assert.AreEqual(2, inputs.Length);
            Assert.AreEqual(inputs[0].dtype, inputs[1].dtype, node.Name);
            return operation(inputs[0], inputs[1]);
        }

        private Tensor Gather(int axis)
        {
            Assert.AreEqual(ScalarType.Int64, inputs[1].dtype);
            var (data, indices) = (inputs[0], inputs[1]);
            return data.index_select(axis, indices.reshape(-1)).reshape([.. data.shape[..axis], .. indices.shape, .. data.shape[(axis + 1)..]]);
        }

        private Tensor MatMul()
        {
            Assert.AreEqual(2, inputs.Length);
            Assert.AreEqual(inputs[0].shape[^1], inputs[1].shape[^2], node.Name);
            return inputs[0].matmul(inputs[1]);
        }

        private int Integer(string name, int? otherwise = null) =>
            otherwise is { } value && !node.Attributes.ContainsKey(name) ? value : (int)node.Attributes[Read(name)].Single();

        private string Read(string name)
        {
            _unread.Remove(name);
            return name;
        }

        private static long[] Integers(Tensor values)
        {
            Assert.AreEqual(1, values.dim());
            return values.data<long>().ToArray();
        }
    }
}
