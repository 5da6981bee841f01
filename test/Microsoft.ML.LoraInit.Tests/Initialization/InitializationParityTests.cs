using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>The methods without random draws against reference results: products, new bases, subspaces.</summary>
[TestClass]
[TestCategory(ParityData.Category)]
public sealed class InitializationParityTests
{
    private const double ProductTolerance = 1e-5;
    private const double SubspaceTolerance = 1e-4;

    private static readonly Dictionary<string, LoraInitialization> Strategies = new()
    {
        ["pissa"] = LoraInitialization.Pissa(),
        ["milora"] = LoraInitialization.Milora(),
        ["olora"] = LoraInitialization.Olora(),
        ["mica"] = LoraInitialization.Mica(),
        ["corda_ipm"] = LoraInitialization.Parse("corda:damping=0,normalize=false,divisor=tokens"),
        ["corda_kpm"] = LoraInitialization.Parse("corda:mode=kpm,damping=0,normalize=false,divisor=tokens"),
        ["eva"] = LoraInitialization.Eva(),
        ["lora_ga_arb2r"] = LoraInitialization.LoraGa(),
        ["lora_ga_peft_arb2r_stable"] = LoraInitialization.LoraGa(LoraGaForm.Peft),
        ["lora_one"] = LoraInitialization.LoraOne(),
        ["nlora"] = LoraInitialization.Nlora(),
    };

    [TestMethod]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void ProductsBasesAndSubspacesAreThoseOfTheReference(string folder)
    {
        using var scope = NewDisposeScope();
        using var file = new ParityMatrices(folder);
        foreach (var method in file.Methods)
        {
            Assert.IsTrue(Strategies.TryGetValue(method, out var strategy), $"No strategy is known for '{method}'.");
            // EVA shares ranks out among the layers it is given; the reference took each by itself.
            var groups = method == "eva" ? file.Names.Select(n => new[] { n }) : [file.Names];
            foreach (var names in groups)
            {
                var context = file.Context(method, names);
                var results = strategy.Initialize(context);
                foreach (var (target, result) in context.Targets.Zip(results))
                    Check(file, method, target, result, context.Weight(target));
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void EvaExplainsTheReferencesShareOfVariance(string folder)
    {
        using var scope = NewDisposeScope();
        using var file = new ParityMatrices(folder);
        foreach (var name in file.Names)
        {
            var expected = file.Read($"{name}.eva.explained_variance_ratio").data<float>().ToArray();
            using var pca = new LoraInit.Initialization.Numerics.IncrementalPca(expected.Length);
            pca.Add(file.Read($"{name}.X"));
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], pca.ExplainedVarianceRatio[i], 1e-5 * expected[0], $"{name}, component {i}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(ParityData.Folders), typeof(ParityData), DynamicDataDisplayName = nameof(ParityData.DisplayName), DynamicDataDisplayNameDeclaringType = typeof(ParityData))]
    public void ExactIniLoraAndPissaReachTheLeastError(string folder)
    {
        using var scope = NewDisposeScope();
        using var file = new ParityMatrices(folder);
        foreach (var strategy in new[] { LoraInitialization.Pissa(), LoraInitialization.Pissa(16), LoraInitialization.IniLora(exact: true) })
        {
            var context = file.Context("pissa", file.Names);
            foreach (var (target, result) in context.Targets.Zip(strategy.Initialize(context)))
            {
                var best = file.Read($"{target.ModuleName}.best_rank8_mse").item<float>();
                var error = (Compare.Product(result.B, result.A) * target.Scaling - context.Weight(target)).square().mean().item<double>();
                Assert.AreEqual(best, error, 1e-4 * best, $"{strategy} on {target.ModuleName}");
            }
        }
    }

    private static void Check(ParityMatrices file, string method, AdapterTarget target, InitializedAdapter result, Tensor weight)
    {
        var prefix = $"{target.ModuleName}.{method}";
        var (a, b) = (file.Read($"{prefix}.A"), file.Read($"{prefix}.B"));
        if (method.StartsWith("lora_ga", StringComparison.Ordinal))
            result = WithSignsOf(result, a, b);
        var expected = Compare.Product(b, a);
        if (Compare.Norm(expected) == 0)
            Assert.AreEqual(0, Compare.Norm(Compare.Product(result.B, result.A)), $"{prefix}: the product must be zero");
        else
            Compare.Below(ProductTolerance, Compare.Relative(Compare.Product(result.B, result.A), expected), $"{prefix}: B·A");
        Subspace($"{prefix}.A", result.A, a);
        Subspace($"{prefix}.B", result.B.t(), b.t());
        if (file.Has($"{prefix}.N"))
            Compare.Below(ProductTolerance, Compare.Relative(result.N!, file.Read($"{prefix}.N")), $"{prefix}.N");
        if (file.Has($"{prefix}.W"))
        {
            Assert.IsTrue(result.SubtractFromBase, $"{prefix}: the base must be corrected");
            var corrected = weight.to(ScalarType.Float64) - Compare.Product(result.B, result.A) * target.Scaling;
            Compare.Below(ProductTolerance, Compare.Relative(corrected, file.Read($"{prefix}.W")), $"{prefix}.W");
        }
    }

    // LoRA-GA pairs vectors of different triplets, whose signs a decomposition leaves open: its product is defined up to them.
    private static InitializedAdapter WithSignsOf(InitializedAdapter result, Tensor a, Tensor b) => result with
    {
        A = result.A * (result.A * a).sum([1L]).sign().unsqueeze(1),
        B = result.B * (result.B * b).sum([0L]).sign(),
    };

    private static void Subspace(string what, Tensor actual, Tensor expected)
    {
        if (Compare.Norm(expected) == 0)
            Assert.AreEqual(0, Compare.Norm(actual), what);
        else
            Compare.Below(SubspaceTolerance, Compare.RowSpaces(actual, expected), $"{what}: subspace");
    }
}
