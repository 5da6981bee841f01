using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Adapters;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public sealed class RiemannianPreconditionerTests
{
    private const double Damping = 1e-2;

    [TestMethod]
    [DataRow(false, DisplayName = "both factors random")]
    [DataRow(true, DisplayName = "B = 0")]
    public void GradientsAreThoseOfTheDenseFormula(bool zeroB)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        // All linear layers: three shapes, with the head before the first adapter in the flat vector.
        AdapterTests.Attach(model, f => zeroB ? f with { B = zeros_like(f.B) } : f);
        using var parameters = new TrainableParameters(model.Parameters);
        var adapters = model.Linears.Select(l => (LowRankAdapter)l.Adapter!).ToArray();
        var before = Gradients(model, parameters);
        var values = parameters.Snapshot();
        using var preconditioner = new RiemannianPreconditioner(parameters, adapters, Damping);

        preconditioner.Apply();

        var after = ByName(parameters, parameters.Flat.grad!);
        foreach (var adapter in adapters)
        {
            var (a, b) = (values[adapter.A.Name].to(ScalarType.Float64), values[adapter.B.Name].to(ScalarType.Float64));
            var damping = eye(adapter.Target.Rank, dtype: ScalarType.Float64) * Damping;
            Close(linalg.solve(b.t().matmul(b) + damping, before[adapter.A.Name]), after[adapter.A.Name], adapter.A.Name);
            Close(linalg.solve(a.matmul(a.t()) + damping, before[adapter.B.Name].t()).t(), after[adapter.B.Name], adapter.B.Name);
        }
        foreach (var parameter in parameters.Parameters.Where(p => p.Name.StartsWith("classifier.", StringComparison.Ordinal)))
            Close(before[parameter.Name], after[parameter.Name], parameter.Name);
        Assert.IsTrue(after.Values.All(g => g.isfinite().all().item<bool>()));
        Steps.Free(values);
    }

    [TestMethod]
    public void APairWithAFrozenFactorIsLeftAlone()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        AdapterTests.Attach(model, f => f.A.shape[1] == 32 ? f with { FreezeB = true } : f);
        using var parameters = new TrainableParameters(model.Parameters);
        var before = Gradients(model, parameters);
        using var preconditioner = new RiemannianPreconditioner(parameters, model.Linears.Select(l => (LowRankAdapter)l.Adapter!), Damping);
        preconditioner.Apply();
        var after = ByName(parameters, parameters.Flat.grad!);
        foreach (var adapter in model.Linears.Select(l => (LowRankAdapter)l.Adapter!))
        {
            var change = (after[adapter.A.Name] - before[adapter.A.Name]).abs().max().item<double>();
            Assert.AreEqual(adapter.B.Trained, change > 0, adapter.A.Name);
        }
    }

    [TestMethod]
    public void WithoutAPairThereIsNothingToPrecondition()
    {
        using var model = TinyModel.Create();
        AdapterTests.Attach(model, f => f with { FreezeB = true });
        using var parameters = new TrainableParameters(model.Parameters);
        Assert.ThrowsExactly<InvalidOperationException>(() => new RiemannianPreconditioner(parameters, model.Linears.Select(l => (LowRankAdapter)l.Adapter!), Damping));
    }

    [TestMethod]
    [DataRow("kaiming")]
    [DataRow("nora")]
    [DataRow("lora-one")]
    public void ItLearnsWithPreconditionedGradients(string initialization)
    {
        var request = ToyRun.Request(
            o => (o.Initialization, o.GradientPreconditioning, o.MaxEpochs) = (LoraInitialization.Parse(initialization), GradientPreconditioning.Riemannian, 4),
            rows: 96, validationRows: 48);
        using var trained = FineTuningRun.Execute(request);
        Assert.IsTrue(trained.History.Epochs[^1].Metrics!.Accuracy > 0.95, trained.History.ToJson());
        Assert.AreEqual(new(1, GradientPreconditioning.Riemannian, 0.01), trained.State.Description.Optimizer);
    }

    private static void Close(Tensor expected, Tensor actual, string what) =>
        TensorAssert.Close(expected, actual, 1e-5 * Math.Max(1, expected.abs().max().item<double>()), what);

    private static Dictionary<string, Tensor> Gradients(RobertaClassifier model, TrainableParameters parameters)
    {
        using (NewDisposeScope())
        {
            parameters.Bind();
            nn.functional.cross_entropy(model.forward(TinyModel.Batch(), ForwardContext.Inference), TinyModel.Labels()).backward();
        }
        return ByName(parameters, parameters.Flat.grad!);
    }

    private static Dictionary<string, Tensor> ByName(TrainableParameters parameters, Tensor flat) => parameters.Parameters.ToDictionary(
        p => p.Name, p => flat.narrow(0, parameters.Start(p)!.Value, p.Count).view(p.Shape).to(ScalarType.Float64), StringComparer.Ordinal);
}
