using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inspection;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Adapters;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Trainers;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inspection;

[TestClass]
public sealed class LargestEigenvalueTests
{
    [TestMethod]
    [DataRow(new[] { 3.0, -5, 1, 2.5 }, 3.0)]
    [DataRow(new[] { 4.0, -4, 0, 0 }, 4.0)]
    [DataRow(new[] { -1.0, -2, -3, -4 }, -1.0)]
    public void LanczosFindsTheLargestNotTheOneOfLargestSize(double[] spectrum, double expected)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var q = linalg.qr(empty(4, 4, ScalarType.Float64).normal_(0, 1, random)).Q;
        var matrix = (q * tensor(spectrum)).matmul(q.t());
        Assert.AreEqual(expected, new Lanczos(v => matrix.matmul(v)).Largest(4, CPU, 1), 1e-8);
    }

    /// <summary>Against the whole Hessian of a tiny model, column by column.</summary>
    [TestMethod]
    public void TheEstimateIsTheWholeHessians()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        AdapterTests.Attach(model, settings: new() { Rank = 2, Alpha = 3, TargetModules = TargetModules.QueryValue, LayersToTransform = [1, 2] }); // every number costs two passes
        var task = new MulticlassTask(model.Outputs);
        var rows = new TextDataset([.. Enumerable.Range(0, 6).Select(i => new EncodedText([0, 5 + i, 9, 7 + (2 * i), 2]))], [.. Enumerable.Range(0, 6).Select(i => (float)(i % model.Outputs))], null);
        var passes = new StepZero(task, rows, 6, (_, _, _) => { });
        var estimate = passes.LargestEigenvalue(model, 7);

        using var parameters = new TrainableParameters(model.Linears.SelectMany(l => l.Adapter?.Parameters ?? []));
        var start = parameters.Flat.detach().clone();
        var columns = Enumerable.Range(0, (int)parameters.Count).Select(i => (Gradient(i, 5e-3) - Gradient(i, -5e-3)) / 1e-2).ToArray();
        var hessian = stack(columns);
        var exact = linalg.eigvalsh((hessian + hessian.t()) / 2)[-1].item<double>();
        Assert.AreEqual(exact, estimate, 0.02 * exact);

        Tensor Gradient(int index, double step)
        {
            using var inner = NewDisposeScope();
            using (no_grad())
            {
                parameters.Flat.copy_(start);
                parameters.Flat[index].add_(step);
                parameters.Gradient().zero_();
            }
            parameters.Bind();
            var ids = tensor(rows.Texts.SelectMany(t => t.Ids.ToArray().Select(id => (long)id)).ToArray(), rows.Count, 5);
            var labels = tensor(rows.Labels.Select(l => (long)l).ToArray());
            nn.functional.cross_entropy(model.forward(new(ids, null), ForwardContext.Inference), labels).backward();
            return parameters.Gradient().to(ScalarType.Float64, true).MoveToOuterDisposeScope();
        }
    }

    [TestMethod]
    public void TheInspectorGivesItOnRequestAndNeedsData()
    {
        var ml = Topics.Context();
        var view = Topics.View(ml, Topics.Rows.Take(16));
        var data = ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        InspectionReport Inspect(IDataView? rows, bool wanted) => InitializationInspector.Inspect(new()
        {
            Training = Topics.Options(o => o.Initialization = LoraInitialization.Kaiming()),
            Data = rows,
            ProbeRows = 8,
            LargestEigenvalue = wanted,
        });
        Assert.IsTrue(Inspect(data, true).LargestEigenvalue > 0);
        Assert.IsNull(Inspect(data, false).LargestEigenvalue);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Inspect(null, true)).Message, "Data");
    }
}
