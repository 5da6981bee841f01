using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>The matrices, methods and results of an <c>initialization.safetensors</c>, by what it contains.</summary>
internal sealed class ParityMatrices : IDisposable
{
    private readonly SafetensorsFile _file;

    public ParityMatrices(string folder)
    {
        _file = SafetensorsFile.Open(Path.Combine(folder, "initialization.safetensors"));
        Names = [.. _file.Names.Where(n => n.EndsWith(".W", StringComparison.Ordinal) && n.Count(c => c == '.') == 1).Select(n => n[..^2]).Order(StringComparer.Ordinal)];
        Methods = [.. _file.Names.Select(n => n.Split('.')).Where(p => p.Length == 3 && p[2] == "A").Select(p => p[1]).Distinct().Order(StringComparer.Ordinal)];
        Scaling = _file.Read("scaling").item<float>();
        Assert.IsTrue(Names.Length > 0 && Methods.Length > 0, "The parity file holds no matrices.");
    }

    public string[] Names { get; }

    public string[] Methods { get; }

    public double Scaling { get; }

    public Tensor Read(string name) => _file.Read(name);

    public bool Has(string name) => _file.Contains(name);

    /// <summary>A context of some matrices, with the rank that a method's results have.</summary>
    public FakeContext Context(string method, params string[] names)
    {
        var targets = names.Select(name =>
        {
            var (_, shape) = _file.Info($"{name}.W");
            var rank = (int)_file.Info($"{name}.{method}.A").Shape[0];
            return new AdapterTarget(name, (int)shape[1], (int)shape[0], rank, Scaling * rank, false);
        }).ToArray();
        return new FakeContext(targets)
        {
            Weights = names.ToDictionary(n => n, n => Read($"{n}.W")),
            Inputs = names.ToDictionary(n => n, n => Read($"{n}.X")),
            // A subset without gradients has no results of the methods that need them.
            LossGradients = names.Where(n => Has($"{n}.G")).ToDictionary(n => n, n => Read($"{n}.G")),
        };
    }

    public void Dispose() => _file.Dispose();
}
