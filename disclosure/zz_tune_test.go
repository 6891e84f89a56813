package disclosure_test
import ("testing";"os";"encoding/json";"path/filepath";"strings";"fmt")
func TestTune(t *testing.T){
 fs,_:=filepath.Glob("/tmp/tune/*.json")
 for _,f:=range fs { fp,n,miss,nl,nr,sg:=0,0,0,0,0,0; b,_:=os.ReadFile(f); var as []analysis; if err:=json.Unmarshal(b,&as);err!=nil{t.Fatal(err)}
  ix:=indexOf(t,readCSV(t,strings.TrimSuffix(f,"json")+"csv"))
  for _,a:=range as { if strings.HasPrefix(a.Name,"mock"){continue}; cs:=check(t,ix,a.cells()); g:=notPassed(cs); if a.Leak {nl++; if g=="" {miss++; fmt.Print(" [",a.Name,"]")}} else {n++; if g!="" {fp++; if strings.Contains(g,"near") {nr++; fmt.Print(" {",a.Name,"}")}; if strings.Contains(g,"small"){sg++}}}}
 fmt.Println("\n",filepath.Base(f),"ordinary",n,"stopped",fp,"near",nr,"small",sg,"leaks",nl,"missed",miss)
 }
}
