using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

[TestClass]
public sealed class AdapterTests
{
    internal static AdapterSettings Settings { get; } = new() { Rank = 4, Alpha = 6, TargetModules = TargetModules.AllLinear };

    /// <summary>Random factors, both non-zero, so that whatever is wrong with a product shows.</summary>
    internal static IReadOnlyList<InitializedAdapter> RandomFactors(IReadOnlyList<AdapterTarget> targets, Func<InitializedAdapter, InitializedAdapter>? change = null, bool middle = false) =>
    [
        .. targets.Select(t =>
        {
            using var generator = new Generator(SeededRandom.Hash(3, t.ModuleName), CPU);
            Tensor Draw(params long[] shape) => empty(shape).normal_(0.0, 0.3, generator);
            var made = new InitializedAdapter(Draw(t.Rank, t.InFeatures), Draw(t.OutFeatures, t.Rank)) { N = middle ? Draw(t.Rank, t.Rank) : null };
            return change?.Invoke(made) ?? made;
        }),
    ];

    internal static void Attach(RobertaClassifier model, Func<InitializedAdapter, InitializedAdapter>? change = null, AdapterSettings? settings = null, bool middle = false)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var targets = AdapterPlanner.Plan(settings ?? Settings, model.Config);
        AdapterAttacher.Attach(model, targets, RandomFactors(targets, change, middle), settings ?? Settings);
    }

    [TestMethod]
    [DataRow(false, DisplayName = "LoRA with B = 0")]
    [DataRow(true, DisplayName = "DoRA with B = 0")]
    public void ZeroProductLeavesTheFunction(bool dora)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        var before = TinyModel.Logits(model);
        Attach(model, f => f with { B = zeros_like(f.B) }, Settings with { UseDora = dora });
        TensorAssert.Close(before, TinyModel.Logits(model), dora ? 1e-5 : 1e-6, "logits");
    }

    [TestMethod]
    [DataRow(false, false, DisplayName = "LoRA")]
    [DataRow(true, false, DisplayName = "DoRA")]
    [DataRow(false, true, DisplayName = "three matrices")]
    public void CorrectedBaseLeavesTheFunction(bool dora, bool middle)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        var before = TinyModel.Logits(model);
        Attach(model, f => f with { SubtractFromBase = true }, Settings with { UseDora = dora }, middle);
        TensorAssert.Close(before, TinyModel.Logits(model), 1e-4, "logits");
    }

    /// <summary>A decomposition's factors may lie column by column; read back from a file they lie row by row, and products are to give the same bits.</summary>
    [TestMethod]
    [DataRow(false, DisplayName = "LoRA")]
    [DataRow(true, DisplayName = "three matrices")]
    public void FactorsLieRowByRowHoweverTheyWereMade(bool middle)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();

        Attach(model, f => f with { A = ByColumns(f.A), B = ByColumns(f.B), N = f.N is null ? null : ByColumns(f.N), SubtractFromBase = true, FreezeA = true, FreezeB = true }, middle: middle);

        using var state = FineTunedState.Capture(model, FineTuningMethod.Lora(), LoraInitialization.Kaiming());
        foreach (var adapter in model.Linears.Select(l => l.Adapter!))
            foreach (var value in adapter.Parameters.Select(p => p.Value).Concat(adapter.Correction!.Tensors().Select(t => t.Value)))
                Assert.IsTrue(value.is_contiguous(), adapter.Target.ModuleName);
        foreach (var (name, value) in state.Tensors)
            Assert.IsTrue(value.is_contiguous(), name);

        static Tensor ByColumns(Tensor value)
        {
            var turned = value.t().contiguous().t();
            Assert.IsFalse(turned.is_contiguous());
            return turned;
        }
    }

    [TestMethod]
    public void UncorrectedProductChangesTheFunction()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        var before = TinyModel.Logits(model);
        Attach(model);
        Assert.IsTrue((before - TinyModel.Logits(model)).abs().max().item<float>() > 1e-2);
    }

    [TestMethod]
    [DataRow(false, false, DisplayName = "LoRA")]
    [DataRow(true, false, DisplayName = "DoRA")]
    [DataRow(false, true, DisplayName = "three matrices")]
    public void EffectiveWeightComputesWhatTheAdapterComputes(bool dora, bool middle)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var model = TinyModel.Create();
        Attach(model, settings: Settings with { UseDora = dora }, middle: middle);
        // DoRA starts with m equal to the norms; another m must count too.
        foreach (var adapter in model.Linears.Select(l => l.Adapter).OfType<DoraAdapter>())
            adapter.Magnitude.Replace(adapter.Magnitude.Value * 1.3);
        foreach (var linear in model.Linears)
        {
            using var generator = new Generator(5ul, CPU);
            var x = empty(7, linear.InFeatures).normal_(0.0, 1.0, generator);
            var merged = nn.functional.linear(x, linear.Adapter!.EffectiveWeight(linear.Weight.Value), linear.Bias.Value);
            TensorAssert.Close(merged, linear.forward(x, ForwardContext.Inference), 1e-5, linear.Name);
        }
    }

    [TestMethod]
    public void ThreeMatricesMultiplyInTheOrderBNA()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var a = tensor(new float[] { 1, 2, 3, 4 }, 2, 2);
        var n = tensor(new float[] { 0, 1, 2, 3 }, 2, 2);
        var b = tensor(new float[] { 1, 1, 0, 2 }, 2, 2);
        using var adapter = new ThreeMatrixAdapter(new("m", 2, 2, 2, 2, false), a, n, b);
        // N·A = [[3, 4], [11, 16]]; B·(N·A) = [[14, 20], [22, 32]].
        TensorAssert.Identical(tensor(new float[] { 14, 20, 22, 32 }, 2, 2), adapter.EffectiveWeight(zeros([2, 2])), "B·N·A");
    }

    [TestMethod]
    public void ReplacementTakesTheBasesPlace()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        Attach(model, f => f with { ReplacementBase = full([f.B.shape[0], f.A.shape[1]], 0.25) });
        foreach (var linear in model.Linears)
            TensorAssert.Identical(full(linear.Weight.Shape, 0.25), linear.Weight.Value, linear.Name);
    }

    [TestMethod]
    public void RankZeroLeavesTheLayerAlone()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        var before = TinyModel.Logits(model);
        Attach(model, f => f with { A = zeros([0, f.A.shape[1]]), B = zeros([f.B.shape[0], 0]) });
        Assert.IsTrue(model.Linears.All(l => l.Adapter is null));
        TensorAssert.Identical(before, TinyModel.Logits(model), "logits");
    }

    [TestMethod]
    public void AChosenRankAndAlphaCount()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        Attach(model, f => f with { A = f.A[..2, ..], B = f.B[.., ..2], Alpha = 5 });
        Assert.AreEqual(2.5, model.Linears[0].Adapter!.Scaling);
        Assert.AreEqual(2, model.Linears[0].Adapter!.Target.Rank);
    }

    [TestMethod]
    [DataRow(true, false)]
    [DataRow(false, true)]
    [DataRow(true, true)]
    public void FrozenFactorsStayAndTheOthersMove(bool freezeA, bool freezeB)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        Attach(model, f => f with { FreezeA = freezeA, FreezeB = freezeB }, middle: true);
        var before = model.Linears.ToDictionary(l => l.Name, l => l.Adapter!.Parameters.Select(p => (p, Bytes: TensorAssert.Bytes(p.Value))).ToArray());

        Steps.Free(Steps.Run(model, 3));

        foreach (var (parameter, bytes) in before.Values.SelectMany(p => p))
        {
            var frozen = parameter.Name.EndsWith("lora_A", StringComparison.Ordinal) ? freezeA : parameter.Name.EndsWith("lora_B", StringComparison.Ordinal) && freezeB;
            Assert.AreEqual(!frozen, parameter.Trained, parameter.Name);
            Assert.AreEqual(frozen, bytes.AsSpan().SequenceEqual(TensorAssert.Bytes(parameter.Value)), parameter.Name);
        }
    }

    [TestMethod]
    public void TrainingNeverWritesToTheSharedBase()
    {
        using var weights = TinyModel.Base();
        var before = Hash(weights);
        foreach (var subtract in new[] { false, true })
        {
            using var model = TinyModel.Create(weights);
            Attach(model, f => f with { SubtractFromBase = subtract });
            Steps.Free(Steps.Run(model, 5, dropoutSeed: 1));
        }
        Assert.AreEqual(before, Hash(weights));
    }

    [TestMethod]
    public void ModelsLeaseTheBaseAndFreeWhatIsTheirs()
    {
        var weights = TinyModel.Base();
        var word = weights["roberta.embeddings.word_embeddings.weight"];
        var (first, second) = (TinyModel.Create(weights), TinyModel.Create(weights));
        weights.Dispose();
        Attach(first, f => f with { SubtractFromBase = true });
        var own = first.Linears.SelectMany(l => l.Adapter!.Parameters.Append(l.Weight)).Concat(first.HeadParameters).Select(p => p.Value)
            .Concat(first.Linears.SelectMany(l => l.Adapter!.Correction!.Tensors()).Select(t => t.Value)).ToArray();

        first.Dispose();

        Assert.IsTrue(own.All(t => t.IsInvalid), "the model's own tensors are freed");
        Assert.IsFalse(word.IsInvalid, "the base lives while a model leases it");
        second.Dispose();
        Assert.IsTrue(word.IsInvalid, "the last lease frees the base");
    }

    [TestMethod]
    public void WhatDoesNotFitIsRefused()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        var wrong = Assert.ThrowsExactly<InvalidOperationException>(() => Attach(model, f => f with { B = f.B[..3, ..] }));
        StringAssert.Contains(wrong.Message, "roberta.encoder.layer.0.attention.self.query");
        StringAssert.Contains(wrong.Message, "[16, 4]");
        var dora = Assert.ThrowsExactly<ArgumentException>(() => Attach(model, settings: Settings with { UseDora = true }, middle: true));
        StringAssert.Contains(dora.Message, "UseDora");
    }

    private static string Hash(BaseWeights weights) => string.Join("\n", weights.Tensors.OrderBy(t => t.Key, StringComparer.Ordinal)
        .Select(t => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(TensorAssert.Bytes(t.Value)))));
}
