using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

/// <summary>Each variant against a plain computation from its formula.</summary>
[TestClass]
public sealed class FamilyFormulaTests
{
    private const double Tolerance = 1e-5;

    private static readonly AdapterSettings Settings = new() { Rank = 4, Alpha = 6, TargetModules = TargetModules.AllLinear };

    public static IEnumerable<object[]> Methods => Tests.Training.Family.All.Select(m => new object[] { m });

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void TheMergedModelIsTheAdaptedOne(string name)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = TinyModel.Base();
        using var model = Apply(weights, FineTuningMethod.Parse(name));
        Disturb(model);
        using var state = FineTunedState.Capture(model, FineTuningMethod.Parse(name), null);
        using var merged = state.BuildMerged(weights, CPU, ScalarType.Float32);
        using var again = state.Rebuild(weights);
        var expected = model.forward(TinyModel.Batch(), ForwardContext.Inference);
        TensorAssert.Close(expected, merged.forward(TinyModel.Batch(), ForwardContext.Inference), 1e-4, "merged");
        TensorAssert.Identical(expected, again.forward(TinyModel.Batch(), ForwardContext.Inference), "rebuilt");
    }

    [TestMethod]
    [DataRow("adalora")]
    [DataRow("loha")]
    [DataRow("lokr")]
    [DataRow("sora")]
    [DataRow("lora-pro")]
    [DataRow("kasa")]
    [DataRow("dylora:use=2")]
    [DataRow("melora:count=4")]
    [DataRow("rosa:density=0.1")]
    [DataRow("prolora:a=3,b=2")]
    [DataRow("sd-lora")]
    [DataRow("beamlora")]
    [DataRow("alora")]
    [DataRow("rm-lora")]
    public void AsAPlainLoraItIsTheSameWeight(string name)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = TinyModel.Base();
        var method = FineTuningMethod.Parse(name);
        using var model = Apply(weights, method, Settings with { Rank = 2 });
        Disturb(model);
        using var state = FineTunedState.Capture(model, method, null);
        var merged = state.MergedWeights(weights, CPU, ScalarType.Float32);
        var rank = name is "lokr" or "rosa:density=0.1" ? 16 : (int?)null;
        foreach (var plain in PlainLoraConversion.Convert(state, module => weights[$"{module}.weight"], rank))
            TensorAssert.Close(merged[$"{plain.Target.ModuleName}.weight"], plain.EffectiveWeight(weights[$"{plain.Target.ModuleName}.weight"]), 1e-4, plain.Target.ModuleName);
    }

    [TestMethod]
    public void LohaIsAProductElementByElement()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var model = Apply(TinyModel.Base(), FineTuningMethod.Loha());
        Disturb(model);
        foreach (var adapter in Adapters<LinearAdapter>(model))
        {
            var p = Parts(adapter);
            var expected = p[LohaKind.B1].matmul(p[LohaKind.A1]).mul(p[LohaKind.B2].matmul(p[LohaKind.A2])) * (6.0 / 4);
            AssertAdds(expected, model, adapter);
        }
    }

    [TestMethod]
    [DataRow("lokr")]
    [DataRow("lokr:both=true")]
    [DataRow("lokr:factor=2")]
    public void LokrIsAKroneckerProduct(string name)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var model = Apply(TinyModel.Base(), FineTuningMethod.Parse(name), Settings with { Rank = 1 });
        Disturb(model);
        foreach (var adapter in Adapters<LinearAdapter>(model))
        {
            var p = Parts(adapter);
            var (c, d) = (p.GetValueOrDefault(LokrKind.C) ?? p[LokrKind.Ca].matmul(p[LokrKind.Cb]), p.GetValueOrDefault(LokrKind.D) ?? p[LokrKind.Da].matmul(p[LokrKind.Db]));
            AssertAdds(kron(c, d) * 6, model, adapter);
        }
    }

    [TestMethod]
    public void MeloraKeepsToItsPartsOfInputsAndOutputs()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var model = Apply(TinyModel.Base(), FineTuningMethod.Melora(4), Settings with { Rank = 2 });
        Disturb(model);
        foreach (var adapter in Adapters<LinearAdapter>(model))
        {
            var p = Parts(adapter);
            var blocks = p[MeloraKind.B].matmul(p[MeloraKind.A]) * 3;
            AssertAdds(block_diag([.. blocks.unbind()]), model, adapter);
        }
    }

    [TestMethod]
    public void SoraShrinksItsGatesTowardsZero()
    {
        using var scope = NewDisposeScope();
        using var model = Apply(TinyModel.Base(), new SoraMethod { Threshold = 0.5, Penalty = 2 });
        using var parameters = new TrainableParameters(model.Parameters);
        using var hooks = new SoraMethod { Threshold = 0.5, Penalty = 2 }.Hooks(TinyRun.Of(model, parameters, 1, Settings));
        parameters.Bind();
        var gates = Adapters<GatedAdapter>(model).SelectMany(a => a.Gate.Value.data<float>().ToArray()).ToArray();
        Assert.AreEqual(2 * gates.Average(Math.Abs), hooks.Penalty()!.item<float>(), Tolerance);
        using var noGrad = no_grad();
        hooks.AfterUpdate(0, 1);
        parameters.Bind();
        var after = Adapters<GatedAdapter>(model).SelectMany(a => a.Gate.Value.data<float>().ToArray()).ToArray();
        for (int i = 0; i < gates.Length; i++)
            Assert.AreEqual(Math.Sign(gates[i]) * Math.Max(0, Math.Abs(gates[i]) - 0.5), after[i], Tolerance);
    }

    [TestMethod]
    public void KasaStartsWithoutTheSmallestSingularValuesAndPenalises()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = TinyModel.Base();
        using var model = Apply(weights, FineTuningMethod.Kasa());
        foreach (var adapter in Adapters<GatedAdapter>(model))
        {
            var (u, s, vh) = linalg.svd(weights[$"{adapter.Target.ModuleName}.weight"].to(ScalarType.Float64), false);
            s.narrow(0, s.shape[0] - 4, 4).zero_();
            TensorAssert.Close((u * s).matmul(vh), adapter.EffectiveWeight(model.Linears.Single(l => l.Adapter == adapter).Weight.Value), 1e-5, adapter.Target.ModuleName);
        }
        Disturb(model);
        using var hooks = new KasaMethod { Beta = 0.5, Gamma = 2 }.Hooks(TinyRun.Of(model, null!, 1, Settings));
        var expected = Adapters<GatedAdapter>(model).Average(a => (0.5 * a.Gate.Value.square().sum().item<float>()) + (2 * (Distance(a.A.Value) + Distance(a.B.Value.t()))));
        Assert.AreEqual(expected, hooks.Penalty()!.item<float>(), 1e-4 * expected);

        static double Distance(Tensor rows) => (rows.matmul(rows.t()) - eye(rows.shape[0])).norm().item<float>();
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void DyloraTrainsTheFirstRanksAtTheirOwnScale(bool frozen)
    {
        using var scope = NewDisposeScope();
        using var model = Apply(TinyModel.Base(), new DyloraMethod { Frozen = frozen });
        Disturb(model);
        var linear = model.Linears[0];
        var adapter = (DyloraAdapter)linear.Adapter!;
        foreach (var parameter in adapter.Parameters)
            parameter.Replace(parameter.Value.detach().clone().requires_grad_(true));
        adapter.Choose(3);
        var x = randn(5, 16);
        var y = linear.forward(x, new ForwardContext { IsTraining = true });
        var (a, b) = (adapter.A.Value, adapter.B.Value);
        TensorAssert.Close(linear.Affine(x) + x.matmul(a.narrow(0, 0, 3).t()).matmul(b.narrow(1, 0, 3).t()) * (6.0 / 3), y, 1e-4, "y at rank 3");
        y.square().sum().backward();
        var trained = Enumerable.Range(0, 4).Select(i => a.grad![i].any().item<bool>() && b.grad!.select(1, i).any().item<bool>()).ToArray();
        CollectionAssert.AreEqual(frozen ? [false, false, true, false] : new[] { true, true, true, false }, trained);
    }

    [TestMethod]
    public void LoraProMovesAsItsFormulaSays()
    {
        using var scope = NewDisposeScope();
        using var model = Apply(TinyModel.Base(), FineTuningMethod.LoraPro(), Settings with { TargetModules = TargetModules.Named("query") });
        Disturb(model);
        using var parameters = new TrainableParameters(model.Parameters);
        var run = TinyRun.Of(model, parameters, 9, Settings);
        using var hooks = FineTuningMethod.LoraPro().Hooks(run)!;
        using var noGrad = no_grad();
        var plain = new PlainLoraPro();
        for (int step = 0; step < 3; step++)
        {
            parameters.Gradient().copy_(randn(parameters.Count, generator: new Generator((ulong)step)));
            parameters.Bind();
            var adapter = Adapters<LoraAdapter>(model).First();
            var (gradientA, gradientB) = (run.Place(adapter.A).Of(parameters.Gradient()), run.Place(adapter.B).Of(parameters.Gradient()));
            var (a, b) = plain.Step(adapter.A.Value.clone(), adapter.B.Value.clone(), gradientA, gradientB, 1.5, 0.01);
            hooks.BeforeUpdate(step, 0.01);
            parameters.Bind();
            TensorAssert.Close(a, adapter.A.Value, 1e-4, $"A after step {step}");
            TensorAssert.Close(b, adapter.B.Value, 1e-4, $"B after step {step}");
        }
    }

    private static RobertaClassifier Apply(BaseWeights weights, FineTuningMethod method, AdapterSettings? settings = null)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var model = TinyModel.Create(weights);
        var targets = method.Targets(settings ?? Settings, model.Config);
        method.Apply(model, new(settings ?? Settings, 3, targets, AdapterTests.RandomFactors(targets, f => f with { B = zeros_like(f.B) })));
        return model;
    }

    // Zeros hide what is wrong with a product.
    private static void Disturb(RobertaClassifier model)
    {
        using var noGrad = no_grad();
        foreach (var parameter in Adapters<LinearAdapter>(model).SelectMany(a => a.Parameters).Where(p => p.Trained))
        {
            using var scope = NewDisposeScope();
            parameter.Replace(parameter.Value + randn(parameter.Shape, generator: new Generator(SeededRandom.Hash(9, parameter.Name))) * 0.3);
            parameter.Rests = false;
        }
    }

    private static IEnumerable<T> Adapters<T>(RobertaClassifier model)
        where T : LinearAdapter => model.Linears.Select(l => l.Adapter).OfType<T>();

    private static Dictionary<string, Tensor> Parts(LinearAdapter adapter) => adapter.Parameters.ToDictionary(p => p.Name[adapter.Target.ModuleName.Length..], p => p.Value);

    private static void AssertAdds(Tensor expected, RobertaClassifier model, LinearAdapter adapter)
    {
        var linear = model.Linears.Single(l => l.Adapter == adapter);
        var x = randn(2, 3, linear.InFeatures);
        TensorAssert.Close(x.matmul(expected.t()), linear.forward(x, ForwardContext.Inference) - linear.Affine(x), 1e-4, linear.Name);
        TensorAssert.Close(expected, adapter.EffectiveWeight(linear.Weight.Value) - linear.Weight.Value, 1e-5, linear.Name);
    }

    /// <summary>LoRA-Pro of one adapter, spelt out in fp64 with the Sylvester equation as one linear system.</summary>
    private sealed class PlainLoraPro
    {
        private Tensor? _first, _second;
        private int _steps;

        public (Tensor A, Tensor B) Step(Tensor a32, Tensor b32, Tensor gradientA, Tensor gradientB, double s, double rate)
        {
            var (a, b, da, db) = (a32.to(ScalarType.Float64), b32.to(ScalarType.Float64), gradientA.to(ScalarType.Float64), gradientB.to(ScalarType.Float64));
            var r = a.shape[0];
            var damping = eye(r, dtype: ScalarType.Float64) * 1e-8;
            var (bb, aa) = (linalg.inv(b.t().matmul(b) + damping), linalg.inv(a.matmul(a.t()) + damping));
            var outside = eye(b.shape[0], dtype: ScalarType.Float64) - b.matmul(bb).matmul(b.t());
            var full = s * (b.matmul(bb.matmul(da) / (s * s)) + outside.matmul(db).matmul(aa).matmul(a) / (s * s));
            _steps++;
            _first = _first is null ? full * 0.1 : _first * 0.9 + full * 0.1;
            _second = _second is null ? full.square() * 0.001 : _second * 0.999 + full.square() * 0.001;
            var g = _first / (1 - Math.Pow(0.9, _steps)) / ((_second / (1 - Math.Pow(0.999, _steps))).sqrt() + 1e-8);
            (da, db) = (s * b.t().matmul(g), s * g.matmul(a.t()));
            var c = -(bb.matmul(da).matmul(a.t())) / (s * s);
            // vec(P X + X Q) = (P ⊗ I + I ⊗ Qᵀ) vec(X), rows first.
            var system = kron(b.t().matmul(b), eye(r, dtype: ScalarType.Float64)) + kron(eye(r, dtype: ScalarType.Float64), a.matmul(a.t()));
            var x = linalg.solve(system, c.reshape(-1)).reshape(r, r);
            var (ga, gb) = (bb.matmul(da) / (s * s) + x.matmul(a), outside.matmul(db).matmul(aa) / (s * s) - b.matmul(x));
            return (a - rate * ga, b - rate * gb);
        }
    }
}
