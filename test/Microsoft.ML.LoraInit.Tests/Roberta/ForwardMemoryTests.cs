using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Roberta;

/// <summary>What a forward pass holds on its way.</summary>
[TestClass]
[DoNotParallelize] // counts the process's tensors
public class ForwardMemoryTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ABlockLeavesItsOutputAlone(bool grad)
    {
        using var scope = NewDisposeScope();
        using var mode = set_grad_enabled(grad);
        using var model = TinyModel.Create();
        var (batch, counts) = (TinyModel.Batch(), new List<long>());
        LiveTensors.Count(); // what other tests left must not be freed in between
        model.Encode(batch, new ForwardContext
        {
            OnLinearInput = (linear, _) =>
            {
                if (linear.Name.EndsWith("self.query", StringComparison.Ordinal))
                    counts.Add(Tensor.TotalCount);
            },
        });
        CollectionAssert.AreEqual(Enumerable.Repeat(counts[0], TinyModel.Config.Layers).ToArray(), counts.ToArray());
    }
}
