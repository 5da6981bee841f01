using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>Makes the parts of a <see cref="CpuEncoder"/> out of a merged model's tensors, and remembers which is which.</summary>
/// <param name="config">The model's shape.</param>
/// <param name="bag">The tensors, fp32 on the CPU.</param>
internal sealed class CpuWeightReader(RobertaConfig config, WeightBag bag)
{
    private readonly List<(string[] Modules, FloatLinear Linear)> _linears = [];
    private readonly List<(string Module, CpuNorm Norm)> _norms = [];

    /// <summary>Linear layers of one input, one below the other as one layer.</summary>
    /// <param name="outputs">Of each.</param>
    /// <param name="inputs">Of all.</param>
    /// <param name="modules">Full names.</param>
    public FloatLinear Linear(int outputs, int inputs, params string[] modules)
    {
        var (weight, bias) = Stacked(outputs, inputs, modules);
        var linear = new FloatLinear(weight, bias);
        _linears.Add((modules, linear));
        return linear;
    }

    public CpuNorm Norm(string module)
    {
        var norm = new CpuNorm(Numbers($"{module}.weight", config.HiddenSize), Numbers($"{module}.bias", config.HiddenSize), config.LayerNormEps);
        _norms.Add((module, norm));
        return norm;
    }

    /// <summary>A table, row by row.</summary>
    public AlignedArray<float> Table(string name, int rows)
    {
        // Straight from the tensor: with many languages the table is most of the model.
        using var tensor = bag.Take(ScalarType.Float32, name, rows, config.HiddenSize).contiguous();
        var table = new AlignedArray<float>((long)rows * config.HiddenSize);
        MemoryMarshal.Cast<byte, float>(tensor.bytes).CopyTo(table.Span);
        return table;
    }

    /// <summary>Whether there is a module of this name that was not read yet.</summary>
    public bool Has(string module) => bag.RowsOf($"{module}.weight") is not null;

    /// <summary>Rows of a module's weight; null where there is no such module.</summary>
    public int? RowsOf(string module) => bag.RowsOf($"{module}.weight");

    /// <summary>What was read, as it computes, by full name; the tensors are the caller's.</summary>
    public Dictionary<string, Tensor> Restore()
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (modules, linear) in _linears)
        {
            float[] weight = linear.Weight(), bias = linear.Bias();
            int outputs = bias.Length / modules.Length;
            for (int i = 0; i < modules.Length; i++)
            {
                Add($"{modules[i]}.weight", weight.AsSpan(i * outputs * linear.Inputs, outputs * linear.Inputs), outputs, linear.Inputs);
                Add($"{modules[i]}.bias", bias.AsSpan(i * outputs, outputs), outputs);
            }
        }
        foreach (var (module, norm) in _norms)
        {
            Add($"{module}.weight", norm.Weight, config.HiddenSize);
            Add($"{module}.bias", norm.Bias, config.HiddenSize);
        }
        return tensors;

        void Add(string name, ReadOnlySpan<float> numbers, params long[] shape) =>
            tensors.Add(name, tensor(numbers.ToArray(), shape).DetachFromDisposeScope());
    }

    private (float[] Weight, float[] Bias) Stacked(int outputs, int inputs, params string[] modules) => (
        [.. modules.SelectMany(module => Numbers($"{module}.weight", outputs, inputs))],
        [.. modules.SelectMany(module => Numbers($"{module}.bias", outputs))]);

    private float[] Numbers(string name, params long[] shape)
    {
        using var tensor = bag.Take(ScalarType.Float32, name, shape).contiguous();
        return tensor.data<float>().ToArray();
    }
}
