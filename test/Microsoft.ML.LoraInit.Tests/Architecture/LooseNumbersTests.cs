using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Tests.Architecture;

/// <summary>Numbers go to libtorch through <see cref="Numbers"/>, where the garbage collector cannot free them under the call.</summary>
[TestClass]
public sealed class LooseNumbersTests
{
    [TestMethod]
    public void TheLibraryHandsNumbersToLibtorchThroughTheOneDoor() => None(LooseNumbers.Find(LibrarySources.Library, $"{nameof(Core)}/{nameof(Numbers)}.cs"));

    [TestMethod]
    [DataRow("Samples")]
    [DataRow("Templates")]
    [DataRow("Microsoft.ML.LoraInit.Glue")]
    [DataRow("Microsoft.ML.LoraInit.AutoML")]
    [DataRow("Microsoft.ML.LoraInit.OnnxRuntime")]
    [DataRow("Microsoft.ML.LoraInit.Hosting")]
    [DataRow("Microsoft.ML.LoraInit.Interactive")]
    public void WhatStandsBesideTheLibraryHandsNoneOver(string folder) => None(LooseNumbers.Find(LibrarySources.CompileFolder(folder)));

    [TestMethod]
    [DataRow("x * 0.5", "x * 0.5")]
    [DataRow("x.add(y, 0.5)", "0.5", DisplayName = "converted as an argument")]
    [DataRow("x.clamp(min: n)", "n")]
    [DataRow("(x > 0).sum()", "0")]
    [DataRow("x + y", "x + y", DisplayName = "made in TorchSharp")]
    [DataRow("x.square().sum()", "x.square()")]
    [DataRow("System.Linq.Enumerable.Aggregate(new[] { x, y }, torch.add)", "torch.add", DisplayName = "handed on by its name")]
    [DataRow("x.mul(n.ToScalar())", "n.ToScalar()", DisplayName = "made and not held")]
    [DataRow("x.mul((Scalar)n)", "(Scalar)n")]
    public void EachWayToHandOneOverIsFound(string expression, string found)
    {
        var source = $"using TorchSharp; using static TorchSharp.torch; class C {{ object F(Tensor x, Tensor y, double n) => {expression}; }}";
        CollectionAssert.Contains(LooseNumbers.Find(LibrarySources.Compile([("A.cs", source)])), $"A.cs:1: {found}");
    }

    [TestMethod]
    public void WhatIsHeldAndWhatTakesNoScalarIsNot() => None(LooseNumbers.Find(LibrarySources.Compile([("A.cs", """
        using TorchSharp;
        using static TorchSharp.torch;
        class C
        {
            object F(Tensor x, Tensor y, double n)
            {
                using var s = n.ToScalar();
                return x.mul(s).mul(y).sub(y).sum(0L).norm() / (x * y * s - y).matmul(y);
            }
        }
        """)])));

    private static void None(string[] found) => Assert.IsEmpty(found, $"Call {nameof(Numbers)} instead, or hold the Scalar by using:\n{string.Join('\n', found)}");
}
